/**
 * The school's own login by OpenID Connect: authorization code with PKCE, state and nonce. Knows no account and no route:
 * it tells who the school's login says somebody is.
 *
 * 1. begin: make state, nonce and PKCE verifier, seal them into what the browser keeps for ten minutes, and send the browser to
 * the login. 2. finish: the login has sent it back with a code: open what was kept, compare the state, trade the code for an ID
 * token, check its signature, issuer, audience, expiry and nonce (openid-client), and read who it is.
 * The login's own description is asked for when somebody wants in, not at the start: while it is away the server works.
 */
import { EncryptJWT, jwtDecrypt } from 'jose'
import * as client from 'openid-client'
import { z } from 'zod'
import type { SignInFault } from '#contract/account'

export interface SchoolLoginSettings {
  /** https, or http at localhost. */
  issuer: string
  clientId: string
  clientSecret: string
  /** Separated by spaces; holds openid. */
  scopes: string
  /** The claim that says what somebody is: office, teacher, privacy or student. Undefined: only accounts that are here already. */
  roleClaim: string | undefined
  /** The claim that holds the name of the account here; undefined: the verified e-mail address is the account's. */
  usernameClaim: string | undefined
  /** As it is registered at the login, to the letter. */
  redirectUri: string
}

/** Who somebody is, as the school's login says. */
export interface LoginPerson {
  issuer: string
  subject: string
  username?: string
  /** Only one that the login has verified. */
  email?: string
  /** Undefined: no claim of roles is looked at. */
  roles: string[] | undefined
}

export interface SchoolLogin {
  /** @returns where to send the browser, and what it is to keep until it is back. @throws LoginFailed `away` */
  begin(): Promise<{ to: URL; kept: string }>
  /** @param search the query that it came back with. @throws LoginFailed */
  finish(search: string, kept: string | undefined): Promise<LoginPerson>
}

export class LoginFailed extends Error {
  override name = 'LoginFailed'

  constructor(readonly fault: SignInFault, cause?: unknown) {
    super(`the school's login: ${fault}`, { cause })
  }
}

/** Where the login sends people back to, below PUBLIC_URL. */
export const LOGIN_CALLBACK = '/api/v1/school-login/callback'
/** So long somebody may take at the login: a password, a second factor, a phone that was left upstairs. */
export const LOGIN_MINUTES = 10
const TIMEOUT_SECONDS = 10
const CLOCKS_APART_SECONDS = 30
/** A login that moves its addresses is known again after a day. */
const REDISCOVER_MS = 24 * 3_600_000
const AUDIENCE = 'fastrackai:school-login'
const MAX_KEPT_LENGTH = 1_000

const Kept = z.object({ state: z.string(), nonce: z.string(), verifier: z.string() })

/** @param key 32 bytes, seals what the browser keeps */
export function openSchoolLogin(settings: SchoolLoginSettings, key: Buffer, now: () => Date): SchoolLogin {
  const { issuer, clientId, clientSecret, scopes, roleClaim, usernameClaim, redirectUri } = settings
  let known: { at: number; asked: Promise<client.Configuration> } | undefined

  /** What the client's registration says rarely differs: Basic where the login knows it, which is what its description means by saying nothing. */
  const proveOurselves: client.ClientAuth = (as, ...more) => {
    const methods = as.token_endpoint_auth_methods_supported
    const how = methods === undefined || methods.includes('client_secret_basic') ? client.ClientSecretBasic : client.ClientSecretPost
    how(clientSecret)(as, ...more)
  }

  function configuration(): Promise<client.Configuration> {
    const at = now().getTime()
    if (known === undefined || at - known.at > REDISCOVER_MS) {
      const asked = client.discovery(new URL(issuer), clientId, { [client.clockTolerance]: CLOCKS_APART_SECONDS }, proveOurselves, {
        // The token comes over TLS from the login itself; that its signature is right is checked all the same.
        execute: [client.enableNonRepudiationChecks, ...(issuer.startsWith('http:') ? [client.allowInsecureRequests] : [])],
        timeout: TIMEOUT_SECONDS,
      })
      known = { at, asked }
      asked.catch(() => (known = undefined))
    }
    return known.asked
  }

  async function reach(): Promise<client.Configuration> {
    try {
      return await configuration()
    } catch (cause) {
      throw new LoginFailed('away', cause)
    }
  }

  async function opened(kept: string | undefined): Promise<z.infer<typeof Kept>> {
    if (kept === undefined || kept.length > MAX_KEPT_LENGTH) throw new LoginFailed('too_late')
    try {
      const { payload } = await jwtDecrypt(kept, key, { audience: AUDIENCE, requiredClaims: ['exp'], keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'], currentDate: now() })
      return Kept.parse(payload)
    } catch (cause) {
      throw new LoginFailed('too_late', cause)
    }
  }

  /** Most logins tell all in the ID token, some only to who asks with the access token. The ID token's word counts more. */
  async function claimsOf(config: client.Configuration, tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers): Promise<client.IDToken & Record<string, unknown>> {
    const claims = tokens.claims()
    if (!claims) throw new LoginFailed('refused')
    const wanted = [usernameClaim ?? 'email', roleClaim].filter((name) => name !== undefined)
    if (config.serverMetadata().userinfo_endpoint === undefined || wanted.every((name) => name in claims)) return claims
    const more = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    return { ...more, ...claims }
  }

  return {
    async begin() {
      const config = await reach()
      const kept = { state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() }
      const to = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: scopes,
        code_challenge: await client.calculatePKCECodeChallenge(kept.verifier),
        code_challenge_method: 'S256',
        state: kept.state,
        nonce: kept.nonce,
      })
      const at = Math.floor(now().getTime() / 1000)
      const sealed = await new EncryptJWT(kept).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).setAudience(AUDIENCE).setIssuedAt(at).setExpirationTime(at + LOGIN_MINUTES * 60).encrypt(key)
      return { to, kept: sealed }
    },

    async finish(search, kept) {
      const { state, nonce, verifier } = await opened(kept)
      const config = await reach()
      try {
        const back = new URL(redirectUri)
        back.search = search
        const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true })
        const claims = await claimsOf(config, tokens)
        const username = textOf(usernameClaim === undefined ? undefined : claims[usernameClaim])
        const email = claims['email_verified'] === true ? textOf(claims['email']) : undefined
        return {
          issuer: claims.iss,
          subject: claims.sub,
          ...(username === undefined ? {} : { username }),
          ...(email === undefined ? {} : { email }),
          roles: roleClaim === undefined ? undefined : textsOf(claims[roleClaim]),
        }
      } catch (cause) {
        if (cause instanceof LoginFailed) throw cause
        throw new LoginFailed(isAway(cause) ? 'away' : 'refused', cause)
      }
    },
  }
}

/** No answer at all, or one that says it is the login's own fault. */
function isAway(cause: unknown): boolean {
  if (cause instanceof TypeError) return true
  return cause instanceof Error && (cause.name === 'TimeoutError' || ('code' in cause && cause.code === 'OAUTH_TIMEOUT'))
}

const MAX_TEXT_LENGTH = 254

function textOf(claim: unknown): string | undefined {
  return typeof claim === 'string' && claim !== '' && claim.length <= MAX_TEXT_LENGTH ? claim : undefined
}

function textsOf(claim: unknown): string[] {
  return (Array.isArray(claim) ? claim : [claim]).flatMap((one) => textOf(one) ?? [])
}
