/** People of a throwaway school who are signed in already. For tests alone. */
import { randomBytes } from 'node:crypto'
import type { AccountRole } from '#contract/people'
import { addAccount } from '../db/account-list.ts'
import { saveSession } from '../db/accounts.ts'
import { hashPassword } from '../db/password.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

export interface ThrowawayPerson {
  account_id: number
  username: string
  /** Of their session. */
  cookie: string
}

export interface WhoIsWanted {
  username: string
  role: AccountRole
  student_id?: string
  email?: string
  course_ids?: string[]
  /** Undefined: they can sign in by nothing, and need not. */
  password?: string
}

export async function signedIn({ db, parts }: ThrowawaySchool, { username, role, student_id, email, course_ids = [], password }: WhoIsWanted): Promise<ThrowawayPerson> {
  const password_hash = password === undefined ? null : await hashPassword(password)
  const added = await addAccount(db, { username, role, student_id: student_id ?? null, email: email ?? null, course_ids, password_hash })
  if (added.outcome !== 'saved') throw new Error(`the account ${username} was not made: ${added.outcome}`)
  const token = randomBytes(32).toString('base64url')
  await saveSession(db, { token, account_id: added.account_id, expires_at: new Date(parts.now().getTime() + 12 * 3_600_000) })
  return { account_id: added.account_id, username, cookie: `fastrack_session=${token}` }
}

/** A request as the app of somebody who is signed in sends it. */
export function byCookie(cookie: string | undefined, method = 'GET', body?: unknown): RequestInit {
  return {
    method,
    headers: { ...(cookie === undefined ? {} : { cookie }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}
