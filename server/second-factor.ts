/**
 * The second factor: codes of 30 seconds (RFC 6238) that an app of the person's own shows, and recovery codes. Their
 * secrets are kept sealed under a key outside the database. Knows no password and no session.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomInt } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { plainFactorCode } from '#contract/people'
import type { Database } from '../db/connect.ts'
import { confirmFactor, replaceSealed, saveWantedFactor, sealedFactors, useRecoveryCode, useStep, wantedFactor } from '../db/second-factors.ts'
import type { Log } from './log.ts'
import type { SchoolKey } from './school-key.ts'

/** What authenticator apps can do, all of them: SHA-1 is no weakness of a HMAC. */
const TOTP_FORM = { issuer: 'FastrackAI', algorithm: 'SHA1', digits: 6, period: 30 } as const
/** 160 bits, as RFC 4226 recommends. */
const SECRET_BYTES = 20
/** A phone's clock may be so many codes off, either way. */
const STEPS_OFF = 1
const RECOVERY_CODES = 10
/** Without the letters and digits that people confuse: 16 of 32 are 80 bits. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789'
const RECOVERY_LENGTH = 16

export interface SecondFactors {
  /** Begins to set one up. @returns what the app is to be told; it counts once a code of it was typed. */
  begin(account_id: number, username: string): Promise<{ secret: string; uri: string }>
  /** @returns the recovery codes; undefined: the code is not right, or none is being set up. */
  confirm(account_id: number, code: string, now: Date): Promise<string[] | undefined>
  /** Uses the code up where it is right: no code is right twice. */
  isRight(account_id: number, sealed: Buffer, code: string, now: Date): Promise<boolean>
}

/** @param log told of a secret that no key of the school's opens: its owner needs a recovery code, or the office */
export function openSecondFactors(db: Database, schoolKey: SchoolKey, log: Log): SecondFactors {
  const seal = (account_id: number, secret: Buffer): Buffer => sealUnder(schoolKey.derive('totp'), account_id, secret)

  function unseal(account_id: number, sealed: Buffer): Buffer | undefined {
    for (const key of [schoolKey.derive('totp'), schoolKey.deriveBefore?.('totp')]) {
      const secret = key && unsealUnder(key, account_id, sealed)
      if (secret) return secret
    }
    log({ event: 'second_factor_not_opened', account_id })
    return undefined
  }

  return {
    async begin(account_id, username) {
      const secret = randomBytes(SECRET_BYTES)
      await saveWantedFactor(db, account_id, seal(account_id, secret))
      const totp = totpOf(secret, username)
      return { secret: totp.secret.base32, uri: totp.toString() }
    },

    async confirm(account_id, typed, now) {
      const code = plainFactorCode(typed)
      const sealed = await wantedFactor(db, account_id)
      const secret = sealed && unseal(account_id, sealed)
      const step = secret && stepOf(secret, code, now)
      if (sealed === undefined || step === undefined) return undefined
      const codes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode)
      return (await confirmFactor(db, account_id, sealed, step, codes)) ? codes.map(asPrinted) : undefined
    },

    async isRight(account_id, sealed, typed, now) {
      const code = plainFactorCode(typed)
      if (code.length === RECOVERY_LENGTH) return useRecoveryCode(db, account_id, code)
      const secret = unseal(account_id, sealed)
      const step = secret && stepOf(secret, code, now)
      return step !== undefined && useStep(db, account_id, step)
    },
  }
}

/** While the school changes its key: what the one before sealed is sealed under the new one, so that the old may go. @returns how many */
export async function resealSecondFactors(db: Database, schoolKey: SchoolKey): Promise<number> {
  const before = schoolKey.deriveBefore?.('totp')
  if (before === undefined) return 0
  let resealed = 0
  for (const { account_id, sealed } of await sealedFactors(db)) {
    if (unsealUnder(schoolKey.derive('totp'), account_id, sealed)) continue
    const secret = unsealUnder(before, account_id, sealed)
    if (secret && (await replaceSealed(db, account_id, sealed, sealUnder(schoolKey.derive('totp'), account_id, secret)))) resealed += 1
  }
  return resealed
}

function totpOf(secret: Buffer, label = 'account'): TOTP {
  return new TOTP({ ...TOTP_FORM, label, secret: new Secret({ buffer: new Uint8Array(secret).buffer }) })
}

/** Which 30 seconds since 1970 this is the code of; undefined: of none near now. */
function stepOf(secret: Buffer, code: string, now: Date): number | undefined {
  const off = totpOf(secret).validate({ token: code, timestamp: now.getTime(), window: STEPS_OFF })
  return off === null ? undefined : Math.floor(now.getTime() / 1000 / TOTP_FORM.period) + off
}

function newRecoveryCode(): string {
  return Array.from({ length: RECOVERY_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
}

const asPrinted = (code: string): string => code.match(/.{4}/g)?.join('-') ?? code

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** AES-256-GCM, bound to the account: moved into another's row it does not open. Nonce, tag, and what is sealed. */
function sealUnder(key: Buffer, account_id: number, secret: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(`second factor of account ${account_id}`))
  const sealed = Buffer.concat([cipher.update(secret), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** Undefined: it was sealed under another key or for another account. */
function unsealUnder(key: Buffer, account_id: number, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(`second factor of account ${account_id}`))
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}
