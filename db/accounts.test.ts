import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accountList, accountOfLogin, addAccount, addAccountOfLogin, changeAccount, endSessions } from './account-list.ts'
import { accountByName, personOfEpoch, saveAccount, saveSession, sessionByToken } from './accounts.ts'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { coursesTaught, teachesStudent } from './course-teachers.ts'
import { migrate } from './migrate.ts'
import { hashPassword, passwordIsRight } from './password.ts'
import { openDemoSchool, openTestDatabase } from './test-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
const later = new Date('2026-11-23T18:00:00Z')

let db: Database
let close: () => Promise<void>

beforeAll(async () => {
  ;({ db, close } = await openDemoSchool(NOW))
})
afterAll(() => close())

const WHOSE = { student_id: null, email: null, course_ids: [], password_hash: null }
async function added(row: Partial<Parameters<typeof addAccount>[1]> & { username: string }): Promise<number> {
  const saved = await addAccount(db, { role: 'teacher', ...WHOSE, ...row })
  if (saved.outcome !== 'saved') throw new Error(saved.outcome)
  return saved.account_id
}

describe('a password', () => {
  test('is kept with the cost that is written down, and takes as long to refuse where there is none', async () => {
    const kept = await hashPassword('a password')
    expect(kept).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await passwordIsRight(kept, 'a password')).toBe(true)
    expect(await passwordIsRight(kept, 'another')).toBe(false)
    for (const none of [undefined, null]) {
      await passwordIsRight(none, 'warms up')
      const from = performance.now()
      expect(await passwordIsRight(none, 'a password')).toBe(false)
      // A look at nothing takes microseconds.
      expect(performance.now() - from).toBeGreaterThan(3)
    }
  })
})

describe('accounts', () => {
  test('of a student go with the student, and with them their sessions', async () => {
    await db.sql`INSERT INTO students (student_id, first_name, last_name) VALUES ('S900', 'Nils', 'Nilsson')`
    const account_id = await added({ username: 'nils', role: 'student', student_id: 'S900' })
    await saveSession(db, { token: 'of nils', account_id, expires_at: later })
    expect(await sessionByToken(db, 'of nils', NOW)).toEqual({ account_id, username: 'nils', role: 'student', student_id: 'S900' })
    await db.sql`DELETE FROM students WHERE student_id = 'S900'`
    expect(await sessionByToken(db, 'of nils', NOW)).toBeUndefined()
    expect(await accountByName(db, 'nils')).toBeUndefined()
  })

  test('name a student where they are a student\'s and nowhere else, whoever writes them', async () => {
    await expect(db.sql`INSERT INTO accounts (username, role) VALUES ('x', 'student')`).rejects.toMatchObject({ code: '23514' })
    await expect(db.sql`INSERT INTO accounts (username, role, student_id) VALUES ('x', 'office', 'S001')`).rejects.toMatchObject({ code: '23514' })
    await expect(db.sql`INSERT INTO accounts (username, role) VALUES ('x', 'king')`).rejects.toMatchObject({ code: '23514' })
  })

  test('of another epoch are others: what was given out before ends', async () => {
    const account_id = await added({ username: 'epochs' })
    const before = (await accountByName(db, 'epochs'))?.epoch ?? -1
    expect(await personOfEpoch(db, account_id, before)).toMatchObject({ username: 'epochs' })
    await endSessions(db, account_id)
    expect(await personOfEpoch(db, account_id, before)).toBeUndefined()
    expect(await personOfEpoch(db, account_id, before + 1)).toBeDefined()
    await changeAccount(db, account_id, { role: 'teacher', student_id: null, email: null, course_ids: ['CS101'], disabled: false }, NOW)
    expect(await personOfEpoch(db, account_id, before + 1)).toBeDefined()
    await changeAccount(db, account_id, { role: 'privacy', student_id: null, email: null, course_ids: [], disabled: false }, NOW)
    expect(await personOfEpoch(db, account_id, before + 1)).toBeUndefined()
    await changeAccount(db, account_id, { role: 'privacy', student_id: null, email: null, course_ids: [], disabled: true }, NOW)
    expect(await personOfEpoch(db, account_id, before + 3)).toBeUndefined()
  })

  test('teach what the office says, replaced whole; a student who has left a course is still theirs', async () => {
    const account_id = await added({ username: 'teaches', course_ids: ['MU140', 'CS101'] })
    expect(await coursesTaught(db, account_id)).toEqual(['CS101', 'MU140'])
    await changeAccount(db, account_id, { role: 'teacher', student_id: null, email: null, course_ids: ['MU140'], disabled: false }, NOW)
    expect(await coursesTaught(db, account_id)).toEqual(['MU140'])
    expect([await teachesStudent(db, account_id, 'S001'), await teachesStudent(db, account_id, 'S020')]).toEqual([true, false])
    await db.sql`UPDATE enrollments SET enrolled_to = ${later.toISOString()} WHERE student_id = 'S001' AND course_id = 'MU140'`
    expect(await teachesStudent(db, account_id, 'S001')).toBe(true)
  })

  test('of the office are never all disabled, whoever asks at the same time', async () => {
    for (const username of ['o1', 'o2', 'o3']) await added({ username, role: 'office' })
    const offices = (await accountList(db, NOW)).filter(({ role }) => role === 'office')
    const done = await Promise.all(offices.map(({ account_id }) => changeAccount(db, account_id, { role: 'office', student_id: null, email: null, course_ids: [], disabled: true }, NOW)))
    expect(done.filter(({ outcome }) => outcome === 'last_office')).toHaveLength(1)
    expect((await accountList(db, NOW)).filter(({ role, disabled_at }) => role === 'office' && disabled_at === null)).toHaveLength(1)
  })

  test('are opened again by whoever runs the server, without the second factor that was lost', async () => {
    await db.sql`UPDATE accounts SET disabled_at = now(), totp_sealed = 'x' WHERE username = 'office'`
    await saveAccount(db, { username: 'office', role: 'office', password_hash: await hashPassword('a new one') })
    expect(await accountByName(db, 'office')).toMatchObject({ disabled: false, totp_sealed: null })
  })
})

describe('the school\'s own login', () => {
  const login = (subject: string) => ({ issuer: 'https://login.school.example', subject })

  test('finds an account once by its address, in any letters, and from then on by who it was', async () => {
    const account_id = await added({ username: 'lova', email: 'Lova@School.example' })
    expect(await accountOfLogin(db, login('1'), { email: 'lova@school.example' })).toMatchObject({ account_id })
    expect(await accountOfLogin(db, login('2'), { email: 'lova@school.example' })).toBeUndefined()
    expect(await accountOfLogin(db, login('1'), { email: 'another@school.example' })).toMatchObject({ account_id })
    expect(await accountOfLogin(db, { ...login('1'), issuer: 'https://elsewhere.example' }, { email: 'lova@school.example' })).toBeUndefined()
    // The office gives it another address: it is free for whoever has that one.
    await changeAccount(db, account_id, { role: 'teacher', student_id: null, email: 'new@school.example', course_ids: [], disabled: false }, NOW)
    expect(await accountOfLogin(db, login('1'), {})).toBeUndefined()
    expect(await accountOfLogin(db, login('3'), { email: 'new@school.example' })).toMatchObject({ account_id })
  })

  test('finds nobody where a name is one person\'s and an address another\'s', async () => {
    await added({ username: 'one' })
    await added({ username: 'two', email: 'two@school.example' })
    expect(await accountOfLogin(db, login('9'), { username: 'one', email: 'two@school.example' })).toBeUndefined()
  })

  test('makes a student\'s account for the one student with that address, once', async () => {
    const anew = (subject: string) => addAccountOfLogin(db, login(subject), { username: 'lukas', email: 'LUKAS.lindqvist@school.example', role: 'student' })
    expect(await anew('10')).toMatchObject({ role: 'student', student_id: 'S002' })
    expect(await anew('11')).toBeUndefined()
    expect(await addAccountOfLogin(db, login('12'), { username: 'unknown', email: 'nobody@school.example', role: 'student' })).toBeUndefined()
  })
})

test('a school of the version before keeps its accounts and their sessions', async () => {
  const { url, db: fresh, close: closeFresh } = await openTestDatabase()
  await fresh.sql.unsafe('DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS keyring CASCADE; CREATE SCHEMA public')
  const folder = join(import.meta.dirname, 'migrations')
  for (const name of (await readdir(folder)).filter((one) => one < '0009').toSorted()) await fresh.sql.unsafe(await readFile(join(folder, name), 'utf8'))
  await fresh.sql`CREATE TABLE schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`
  for (const name of (await readdir(folder)).filter((one) => one < '0009')) {
    await fresh.sql`INSERT INTO schema_migrations (name, sha256) VALUES (${name}, ${createHash('sha256').update(await readFile(join(folder, name), 'utf8')).digest('hex')})`
  }
  await fresh.sql`INSERT INTO accounts (username, role, password_hash) VALUES ('office', 'office', ${await hashPassword('as before')}), ('maria', 'teacher', ${await hashPassword('as before')})`
  await fresh.sql`INSERT INTO sessions (token_sha256, account_id, expires_at) SELECT ${createHash('sha256').update('a token').digest()}, account_id, ${later.toISOString()} FROM accounts WHERE username = 'maria'`
  await closeFresh()
  const again = await connect(url)
  await migrate(again)
  expect(await passwordIsRight((await accountByName(again, 'office'))?.password_hash, 'as before')).toBe(true)
  const maria = await sessionByToken(again, 'a token', NOW)
  expect(maria).toMatchObject({ username: 'maria', role: 'teacher' })
  // Who teaches what nobody has said yet: so nothing.
  expect(await coursesTaught(again, maria?.account_id ?? 0)).toEqual([])
  await again.close()
})
