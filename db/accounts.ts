/** Who may sign in, and who is signed in. Knows no password: hashes come and go as they are. */
import { createHash } from 'node:crypto'
import { and, eq, gt, isNull, lt, sql as fragment } from 'drizzle-orm'
import type { AccountRole } from '#contract/people'
import type { Database } from './connect.ts'
import { accountRecoveryCodes, accounts, sessions } from './schema.ts'
import { storable } from './storable.ts'

export type Role = AccountRole

/** What a sign-in is checked by. */
export interface Account {
  account_id: number
  username: string
  role: Role
  /** Of a student's account: whose. */
  student_id: string | null
  /** argon2id, in PHC format; null: comes by the school's own login alone. */
  password_hash: string | null
  disabled: boolean
  epoch: number
  /** Sealed under a key that is not ours; null: no second factor. */
  totp_sealed: Buffer | null
}

/** Who asks, as every request tells it. */
export interface KnownPerson {
  account_id: number
  username: string
  role: Role
  student_id: string | null
}

const asAccount = {
  account_id: accounts.account_id,
  username: accounts.username,
  role: accounts.role,
  student_id: accounts.student_id,
  password_hash: accounts.password_hash,
  disabled: fragment<boolean>`${accounts.disabled_at} IS NOT NULL`,
  epoch: accounts.epoch,
  totp_sealed: accounts.totp_sealed,
}
const asPerson = { account_id: accounts.account_id, username: accounts.username, role: accounts.role, student_id: accounts.student_id }

export async function accountByName(db: Database, username: string): Promise<Account | undefined> {
  const [account] = await db.orm.select(asAccount).from(accounts).where(eq(accounts.username, storable(username)))
  return account
}

export async function accountById(db: Database, account_id: number): Promise<Account | undefined> {
  const [account] = await db.orm.select(asAccount).from(accounts).where(eq(accounts.account_id, account_id))
  return account
}

/**
 * Adds the account, or gives it this role and password, without a second factor, and signs it out everywhere. For whoever runs the
 * server: also a disabled account, or one whose second factor is lost, works again.
 */
export async function saveAccount(db: Database, { username, role, password_hash }: { username: string; role: Exclude<Role, 'student'>; password_hash: string }): Promise<void> {
  await db.orm.transaction(async (tx) => {
    const anew = { role, password_hash, student_id: null, disabled_at: null, totp_sealed: null, totp_wanted_sealed: null, epoch: fragment`${accounts.epoch} + 1` }
    const [account] = await tx
      .insert(accounts)
      .values({ username, role, password_hash })
      .onConflictDoUpdate({ target: accounts.username, set: anew })
      .returning({ account_id: accounts.account_id })
    if (!account) return
    await tx.delete(sessions).where(eq(sessions.account_id, account.account_id))
    await tx.delete(accountRecoveryCodes).where(eq(accountRecoveryCodes.account_id, account.account_id))
  })
}

/** No session is given longer; so what expired so long before a new one will is over, whatever the time is. */
const LONGEST_SESSION_MS = 90 * 24 * 60 * 60 * 1000

/** Also sweeps away sessions long over. `token`: random, at least 128 bits; only its hash is kept. */
export async function saveSession(db: Database, { token, account_id, expires_at }: { token: string; account_id: number; expires_at: Date }): Promise<void> {
  await db.orm.delete(sessions).where(lt(sessions.expires_at, new Date(expires_at.getTime() - LONGEST_SESSION_MS).toISOString()))
  await db.orm.insert(sessions).values({ token_sha256: sha256(token), account_id, expires_at: expires_at.toISOString() })
}

export async function sessionByToken(db: Database, token: string, now: Date): Promise<KnownPerson | undefined> {
  const [session] = await db.orm
    .select(asPerson)
    .from(sessions)
    .innerJoin(accounts, eq(accounts.account_id, sessions.account_id))
    .where(and(eq(sessions.token_sha256, sha256(token)), gt(sessions.expires_at, now.toISOString()), isNull(accounts.disabled_at)))
  return session
}

/** Whose token this is, if nothing has ended it since it was given: an account of another epoch is another account. */
export async function personOfEpoch(db: Database, account_id: number, epoch: number): Promise<KnownPerson | undefined> {
  const [person] = await db.orm
    .select(asPerson)
    .from(accounts)
    .where(and(eq(accounts.account_id, account_id), eq(accounts.epoch, epoch), isNull(accounts.disabled_at)))
  return person
}

export async function deleteSession(db: Database, token: string): Promise<void> {
  await db.orm.delete(sessions).where(eq(sessions.token_sha256, sha256(token)))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
