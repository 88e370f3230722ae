/**
 * Short tokens by which a person's own program asks the API: JWTs that this school's servers sign and nobody else reads.
 * Knows no account: whether it still stands is asked of the record at each request (identity.ts).
 */
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { AccountRole } from '#contract/people'
import type { SchoolKey } from './school-key.ts'

export const TOKEN_SECONDS = 15 * 60
/** The only one that is made or taken: a token that names another, or none, is refused before its signature is looked at. */
const ALGORITHM = 'HS256'
const ISSUER = 'fastrackai'
const AUDIENCE = 'fastrackai:api'
const TYPE = 'at+jwt'
/** Ours have some 280 characters. */
const MAX_LENGTH = 1_000

const Claims = z.object({
  sub: z.string().regex(/^[1-9]\d{0,9}$/).transform(Number),
  role: AccountRole,
  /** Of the account: see db/accounts.ts. */
  epoch: z.int().min(0),
})

export interface TokenHolder {
  account_id: number
  role: AccountRole
  epoch: number
}

export async function issueToken(schoolKey: SchoolKey, { account_id, role, epoch }: TokenHolder, now: Date): Promise<{ token: string; expires_at: Date }> {
  const at = Math.floor(now.getTime() / 1000)
  const token = await new SignJWT({ role, epoch })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(String(account_id))
    .setIssuedAt(at)
    .setExpirationTime(at + TOKEN_SECONDS)
    .sign(schoolKey.derive('tokens'))
  return { token, expires_at: new Date((at + TOKEN_SECONDS) * 1000) }
}

/** Three parts of base64url, the first of which begins as JSON does. No key of a device or a script that we make looks so. */
export function isToken(key: string): boolean {
  return /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(key)
}

/** Undefined: not one of ours, or over. While a school changes its key, tokens of the one before count until they expire. */
export async function readToken(schoolKey: SchoolKey, token: string, now: Date): Promise<TokenHolder | undefined> {
  if (token.length > MAX_LENGTH) return undefined
  const before = schoolKey.deriveBefore?.('tokens')
  return (await verified(token, schoolKey.derive('tokens'), now)) ?? (before && (await verified(token, before, now)))
}

async function verified(token: string, key: Uint8Array, now: Date): Promise<TokenHolder | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      typ: TYPE,
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['iat', 'exp', 'sub'],
      // Nobody can have been given a longer one.
      maxTokenAge: TOKEN_SECONDS,
      currentDate: now,
    })
    const claims = Claims.safeParse(payload)
    return claims.success ? { account_id: claims.data.sub, role: claims.data.role, epoch: claims.data.epoch } : undefined
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}
