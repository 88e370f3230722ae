/** Who may sign in, and who is signed in. Knows no password: hashes come and go as they are. */
import { createHash } from 'node:crypto'
import { and, eq, gt, lt } from 'drizzle-orm'
import type { Database } from './connect.ts'
import { accounts, sessions } from './schema.ts'
import { storable } from './storable.ts'

export type Role = 'office' | 'teacher'
export interface Account { account_id: number; username: string; role: Role; /** argon2id, in PHC format. */ password_hash: string }

export async function accountByName(db: Database, username: string): Promise<Account | undefined> {
  const [account] = await db.orm.select().from(accounts).where(eq(accounts.username, storable(username)))
  return account
}

/** Adds the account, or gives it this role and password and signs it out everywhere. */
export async function saveAccount(db: Database, { username, role, password_hash }: Omit<Account, 'account_id'>): Promise<void> {
  await db.orm.transaction(async (tx) => {
    const [account] = await tx
      .insert(accounts)
      .values({ username, role, password_hash })
      .onConflictDoUpdate({ target: accounts.username, set: { role, password_hash } })
      .returning({ account_id: accounts.account_id })
    if (account) await tx.delete(sessions).where(eq(sessions.account_id, account.account_id))
  })
}

/** No session is given longer; so what expired so long before a new one will is over, whatever the time is. */
const LONGEST_SESSION_MS = 90 * 24 * 60 * 60 * 1000

/** Also sweeps away sessions long over. `token`: random, at least 128 bits; only its hash is kept. */
export async function saveSession(db: Database, { token, account_id, expires_at }: { token: string; account_id: number; expires_at: Date }): Promise<void> {
  await db.orm.delete(sessions).where(lt(sessions.expires_at, new Date(expires_at.getTime() - LONGEST_SESSION_MS).toISOString()))
  await db.orm.insert(sessions).values({ token_sha256: sha256(token), account_id, expires_at: expires_at.toISOString() })
}

export async function sessionByToken(db: Database, token: string, now: Date): Promise<{ username: string; role: Role } | undefined> {
  const [session] = await db.orm
    .select({ username: accounts.username, role: accounts.role })
    .from(sessions)
    .innerJoin(accounts, eq(accounts.account_id, sessions.account_id))
    .where(and(eq(sessions.token_sha256, sha256(token)), gt(sessions.expires_at, now.toISOString())))
  return session
}

export async function deleteSession(db: Database, token: string): Promise<void> {
  await db.orm.delete(sessions).where(eq(sessions.token_sha256, sha256(token)))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
