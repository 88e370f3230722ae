/**
 * The accounts as the office keeps them: made, changed, disabled, and what everybody does about their own. One change at
 * a time, so that the last office account cannot be taken away by two at once. Knows no password: hashes come and go as they are.
 */
import { createHash } from 'node:crypto'
import type { Account, AccountRequest } from '#contract/account'
import type { AccountRole } from '#contract/people'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'
import { storable } from './storable.ts'

/** All, by name. @param now which sessions are open */
export function accountList(db: Database, now: Date): Promise<Account[]> {
  return accountRows(db.sql, null, now)
}

export async function accountOf(db: Database, account_id: number, now: Date): Promise<Account | undefined> {
  const [account] = await accountRows(db.sql, account_id, now)
  return account
}

function accountRows(sql: postgres.Sql, id: number | null, now: Date): Promise<Account[]> {
  return sql<Account[]>`
    SELECT a.account_id, a.username, a.role, a.student_id, a.email,
      (SELECT coalesce(json_agg(t.course_id ORDER BY t.course_id COLLATE "C"), '[]') FROM course_teachers t WHERE t.account_id = a.account_id) AS course_ids,
      ${iso(sql, sql`a.disabled_at`)} AS disabled_at, a.password_hash IS NOT NULL AS has_password, a.totp_sealed IS NOT NULL AS second_factor,
      (SELECT count(*)::integer FROM account_recovery_codes r WHERE r.account_id = a.account_id) AS recovery_codes_left,
      a.login_subject IS NOT NULL AS school_login,
      (SELECT count(*)::integer FROM sessions s WHERE s.account_id = a.account_id AND s.expires_at > ${now.toISOString()}::timestamptz AND a.disabled_at IS NULL) AS sessions
    FROM accounts a
    WHERE ${id}::integer IS NULL OR a.account_id = ${id}::integer
    ORDER BY lower(a.username) COLLATE "C", a.account_id`
}

/** Why nothing was changed. */
export type AccountFault =
  | { outcome: 'unknown_account' | 'last_office' }
  | { outcome: 'name_taken' | 'email_taken' | 'student_taken' | 'unknown_student' }
  | { outcome: 'unknown_courses'; ids: string[] }

export interface NewAccountRow {
  username: string
  role: AccountRole
  student_id: string | null
  email: string | null
  course_ids: string[]
  /** Null: by the school's own login alone. */
  password_hash: string | null
}

export function addAccount(db: Database, { username, role, student_id, email, course_ids, password_hash }: NewAccountRow): Promise<AccountFault | { outcome: 'saved'; account_id: number }> {
  return oneAtATime(db, async (sql) => {
    const [same] = await sql`SELECT FROM accounts WHERE lower(username) = lower(${storable(username)})`
    if (same) return { outcome: 'name_taken' }
    const fault = await faultOf(sql, undefined, { student_id, email, course_ids })
    if (fault) return fault
    const [added] = await sql<{ account_id: number }[]>`
      INSERT INTO accounts (username, role, student_id, email, password_hash) VALUES (${storable(username)}, ${role}, ${student_id}, ${email}, ${password_hash}) RETURNING account_id`
    if (!added) throw new Error('an INSERT of an account returned no row')
    await saveCourses(sql, added.account_id, course_ids)
    return { outcome: 'saved', account_id: added.account_id }
  })
}

/** Another role, or disabling, ends what was given out; another address ends what the school's own login knows of the account. */
export function changeAccount(db: Database, account_id: number, { role, student_id, email, course_ids, disabled }: AccountRequest, now: Date): Promise<AccountFault | { outcome: 'saved' }> {
  return oneAtATime(db, async (sql) => {
    const [before] = await sql<{ role: AccountRole; student_id: string | null; disabled: boolean; email: string | null }[]>`
      SELECT role, student_id, disabled_at IS NOT NULL AS disabled, email FROM accounts WHERE account_id = ${account_id} FOR NO KEY UPDATE`
    if (!before) return { outcome: 'unknown_account' }
    const isOffice = before.role === 'office' && !before.disabled
    if (isOffice && (role !== 'office' || disabled)) {
      const [other] = await sql`SELECT FROM accounts WHERE role = 'office' AND disabled_at IS NULL AND account_id <> ${account_id} LIMIT 1`
      if (!other) return { outcome: 'last_office' }
    }
    const fault = await faultOf(sql, account_id, { student_id, email, course_ids })
    if (fault) return fault
    await sql`
      UPDATE accounts SET role = ${role}, student_id = ${student_id}, email = ${email},
        disabled_at = CASE WHEN ${disabled} THEN coalesce(disabled_at, ${now.toISOString()}::timestamptz) END
      WHERE account_id = ${account_id}`
    if (email?.toLowerCase() !== before.email?.toLowerCase()) await sql`UPDATE accounts SET login_issuer = NULL, login_subject = NULL WHERE account_id = ${account_id}`
    await saveCourses(sql, account_id, course_ids)
    if (role !== before.role || student_id !== before.student_id || disabled !== before.disabled) await endEverything(sql, account_id)
    return { outcome: 'saved' }
  })
}

/** Ends every session and token of the account. False: no such account. */
export function endSessions(db: Database, account_id: number): Promise<boolean> {
  return oneAtATime(db, (sql) => endEverything(sql, account_id))
}

/** Ends every session and token but the session `keep`. False: no such account. */
export function savePassword(db: Database, account_id: number, password_hash: string, keep?: string): Promise<boolean> {
  return oneAtATime(db, async (sql) => {
    const saved = await sql`UPDATE accounts SET password_hash = ${password_hash} WHERE account_id = ${account_id} RETURNING account_id`
    return saved.length > 0 && (await endEverything(sql, account_id, keep))
  })
}

async function endEverything(sql: postgres.TransactionSql, account_id: number, keep?: string): Promise<boolean> {
  const kept = keep === undefined ? null : createHash('sha256').update(keep).digest()
  await sql`DELETE FROM sessions WHERE account_id = ${account_id} AND token_sha256 IS DISTINCT FROM ${kept}`
  const ended = await sql`UPDATE accounts SET epoch = epoch + 1 WHERE account_id = ${account_id} RETURNING account_id`
  return ended.length > 0
}

async function saveCourses(sql: postgres.TransactionSql, account_id: number, course_ids: readonly string[]): Promise<void> {
  await sql`DELETE FROM course_teachers WHERE account_id = ${account_id} AND course_id NOT IN (SELECT jsonb_array_elements_text(${JSON.stringify(course_ids)}::text::jsonb))`
  await sql`
    INSERT INTO course_teachers (account_id, course_id) SELECT DISTINCT ${account_id}::integer, c FROM jsonb_array_elements_text(${JSON.stringify(course_ids)}::text::jsonb) AS n (c)
    ON CONFLICT DO NOTHING`
}

async function faultOf(
  sql: postgres.TransactionSql,
  account_id: number | undefined,
  { student_id, email, course_ids }: Pick<NewAccountRow, 'student_id' | 'email' | 'course_ids'>,
): Promise<AccountFault | undefined> {
  const ours = account_id ?? null
  if (student_id !== null) {
    const [student] = await sql<{ taken: boolean }[]>`
      SELECT EXISTS (SELECT FROM accounts a WHERE a.student_id = s.student_id AND a.account_id IS DISTINCT FROM ${ours}::integer) AS taken
      FROM students s WHERE s.student_id = ${student_id}`
    if (!student) return { outcome: 'unknown_student' }
    if (student.taken) return { outcome: 'student_taken' }
  }
  const [same] = email === null ? [] : await sql`SELECT FROM accounts WHERE lower(email) = lower(${email}) AND account_id IS DISTINCT FROM ${ours}::integer`
  if (same) return { outcome: 'email_taken' }
  const unknown = await sql<{ id: string }[]>`
    SELECT DISTINCT n.id FROM jsonb_array_elements_text(${JSON.stringify(course_ids)}::text::jsonb) AS n (id)
    WHERE NOT EXISTS (SELECT FROM courses c WHERE c.course_id = n.id) ORDER BY n.id`
  return unknown.length > 0 ? { outcome: 'unknown_courses', ids: unknown.map(({ id }) => id) } : undefined
}

function oneAtATime<T>(db: Database, work: (sql: postgres.TransactionSql) => Promise<T>): Promise<T> {
  return db.sql.begin(async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.accounts'))`
    return work(sql)
  }) as Promise<T>
}

// ---------- the school's own login ----------

/** Who somebody is to the school's own login. */
export interface LoginSubject {
  issuer: string
  subject: string
}

export type LoginAccount = { account_id: number; username: string; role: AccountRole; student_id: string | null; disabled: boolean }

/**
 * Whose account it is: the one that this login has opened before, or else one that it has never opened and that has this name
 * or this address (the caller has made sure that they are theirs). From then on it is bound to this login.
 */
export function accountOfLogin(db: Database, { issuer, subject }: LoginSubject, found: { username?: string; email?: string }): Promise<LoginAccount | undefined> {
  return oneAtATime(db, async (sql) => {
    const columns = sql`account_id, username, role, student_id, disabled_at IS NOT NULL AS disabled`
    const [bound] = await sql<LoginAccount[]>`SELECT ${columns} FROM accounts WHERE login_issuer = ${issuer} AND login_subject = ${subject}`
    if (bound) return bound
    const username = found.username === undefined ? null : storable(found.username)
    const email = found.email === undefined ? null : storable(found.email)
    const [free, ...more] = await sql<LoginAccount[]>`
      SELECT ${columns} FROM accounts
      WHERE login_subject IS NULL AND (username = ${username} OR lower(email) = lower(${email}))`
    // A name that is one person's and an address that is another's: nobody can say which is meant.
    if (!free || more.length > 0) return undefined
    if (!free.disabled) await sql`UPDATE accounts SET login_issuer = ${issuer}, login_subject = ${subject} WHERE account_id = ${free.account_id}`
    return free
  })
}

/** Makes the account that the school's own login vouches for. Undefined: its name is taken, or its student is not to be told from the address. */
export function addAccountOfLogin(
  db: Database,
  { issuer, subject }: LoginSubject,
  { username, email, role }: { username: string; email: string | null; role: Exclude<AccountRole, 'office'> },
): Promise<LoginAccount | undefined> {
  return oneAtATime(db, async (sql) => {
    const [taken] = await sql`SELECT FROM accounts WHERE lower(username) = lower(${storable(username)}) OR lower(email) = lower(${email})`
    if (taken) return undefined
    let student_id: string | null = null
    if (role === 'student') {
      const [one, ...more] = await sql<{ student_id: string }[]>`
        SELECT student_id FROM students s WHERE lower(email) = lower(${email}) AND NOT EXISTS (SELECT FROM accounts a WHERE a.student_id = s.student_id) LIMIT 2`
      if (!one || more.length > 0) return undefined
      student_id = one.student_id
    }
    const [added] = await sql<LoginAccount[]>`
      INSERT INTO accounts (username, role, student_id, email, login_issuer, login_subject)
      VALUES (${storable(username)}, ${role}, ${student_id}, ${email}, ${issuer}, ${subject})
      RETURNING account_id, username, role, student_id, false AS disabled`
    return added
  })
}
