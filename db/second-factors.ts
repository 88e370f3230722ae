/** Second factors as they are kept: sealed secrets, which codes are used up, recovery codes. Knows no code's arithmetic and no key. */
import { createHash } from 'node:crypto'
import type { Database } from './connect.ts'

/** A secret that counts once a code of it was typed; another that was begun before is forgotten. */
export async function saveWantedFactor(db: Database, account_id: number, sealed: Buffer): Promise<void> {
  await db.sql`UPDATE accounts SET totp_wanted_sealed = ${sealed} WHERE account_id = ${account_id}`
}

/** Undefined: none is being set up. */
export async function wantedFactor(db: Database, account_id: number): Promise<Buffer | undefined> {
  const [account] = await db.sql<{ sealed: Buffer | null }[]>`SELECT totp_wanted_sealed AS sealed FROM accounts WHERE account_id = ${account_id}`
  return account?.sealed ?? undefined
}

/** The wanted one counts from now on, and `step`, whose code was typed, is used up. False: it is not `sealed` that is wanted any more. */
export async function confirmFactor(db: Database, account_id: number, sealed: Buffer, step: number, recoveryCodes: readonly string[]): Promise<boolean> {
  return db.sql.begin(async (sql) => {
    const changed = await sql`
      UPDATE accounts SET totp_sealed = totp_wanted_sealed, totp_wanted_sealed = NULL, totp_step = greatest(totp_step, ${step}::bigint)
      WHERE account_id = ${account_id} AND totp_wanted_sealed = ${sealed} RETURNING account_id`
    if (changed.length === 0) return false
    await sql`DELETE FROM account_recovery_codes WHERE account_id = ${account_id}`
    const digests = recoveryCodes.map((code) => sha256(code).toString('hex'))
    await sql`INSERT INTO account_recovery_codes (account_id, code_sha256) SELECT ${account_id}::integer, decode(d, 'hex') FROM jsonb_array_elements_text(${JSON.stringify(digests)}::text::jsonb) AS n (d)`
    return true
  }) as Promise<boolean>
}

/** Of all accounts; one that is being set up is begun anew instead. */
export function sealedFactors(db: Database): Promise<{ account_id: number; sealed: Buffer }[]> {
  return db.sql<{ account_id: number; sealed: Buffer }[]>`SELECT account_id, totp_sealed AS sealed FROM accounts WHERE totp_sealed IS NOT NULL`
}

/** The same secret under another key. False: it is not `before` any more. */
export async function replaceSealed(db: Database, account_id: number, before: Buffer, after: Buffer): Promise<boolean> {
  const changed = await db.sql`UPDATE accounts SET totp_sealed = ${after} WHERE account_id = ${account_id} AND totp_sealed = ${before} RETURNING account_id`
  return changed.length > 0
}

/** Takes the second factor and its recovery codes away. False: no such account. */
export async function removeFactor(db: Database, account_id: number): Promise<boolean> {
  return db.sql.begin(async (sql) => {
    await sql`DELETE FROM account_recovery_codes WHERE account_id = ${account_id}`
    const changed = await sql`UPDATE accounts SET totp_sealed = NULL, totp_wanted_sealed = NULL WHERE account_id = ${account_id} RETURNING account_id`
    return changed.length > 0
  }) as Promise<boolean>
}

/** Uses up the code of these 30 seconds. False: it, or a later one, was used already, perhaps by another request in this moment. */
export async function useStep(db: Database, account_id: number, step: number): Promise<boolean> {
  const used = await db.sql`UPDATE accounts SET totp_step = ${step} WHERE account_id = ${account_id} AND (totp_step IS NULL OR totp_step < ${step}) RETURNING account_id`
  return used.length > 0
}

/** Uses up a recovery code. False: it is not one, or was used already. */
export async function useRecoveryCode(db: Database, account_id: number, code: string): Promise<boolean> {
  const used = await db.sql`DELETE FROM account_recovery_codes WHERE account_id = ${account_id} AND code_sha256 = ${sha256(code)} RETURNING account_id`
  return used.length > 0
}

/** Plain SHA-256 is enough for a code of 80 random bits. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
