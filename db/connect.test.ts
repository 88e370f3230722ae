import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { connect, DatabaseRefused, reconnectDelay } from './connect.ts'
import { migrate } from './migrate.ts'
import { openTestDatabase } from './test-school.ts'

async function refusal(url: string): Promise<string> {
  const error = await connect(url).then((db) => db.close().then(() => new Error('it was not refused')), (cause: unknown) => cause)
  expect(error).toBeInstanceOf(DatabaseRefused)
  const { message } = error as Error
  expect(message).not.toContain('\n')
  return message
}

test.each([
  ['nonsense', /DATABASE_URL is not an address/],
  ['postgres://school:pass/word#1@db:5432/school', /DATABASE_URL is not an address.*%2F/],
  ['mysql://root:s3cret-word@localhost/school', /starts with mysql:\/\//],
  ['postgres://school:s3cret-word@127.0.0.1:1/school', /no database answers at 127\.0\.0\.1:1/],
  ['postgres://school:s3cret-word@no-such-host.invalid/school', /no-such-host\.invalid/],
])('%s is refused with one clear line that does not hold the password', async (url, expected) => {
  const message = await refusal(url)
  expect(message).toMatch(expected)
  expect(message).not.toContain('s3cret-word')
  expect(message).not.toContain('pass/word')
})

test('a wrong password and a missing database are told apart, and neither shows the password', async () => {
  const { url, close } = await openTestDatabase()
  const wrong = new URL(url)
  wrong.password = 's3cret-word'
  expect(await refusal(wrong.href)).toMatch(/refuses user fastrackai/)
  expect(await refusal(wrong.href)).not.toContain('s3cret-word')
  const missing = new URL(url)
  missing.pathname = '/no_such_school'
  const message = await refusal(missing.href)
  expect(message).toMatch(/no database "no_such_school"/)
  expect(message).not.toContain(missing.password)
  await close()
})

test('a server that says it is PostgreSQL 16 is refused by that version', async () => {
  const { db, url, close } = await openTestDatabase()
  const name = new URL(url).pathname.slice(1)
  await db.sql.unsafe(`
    CREATE SCHEMA older;
    CREATE FUNCTION older.current_setting(name text) RETURNS text LANGUAGE sql
      RETURN CASE name WHEN 'server_version_num' THEN '160004' WHEN 'server_version' THEN '16.4' ELSE pg_catalog.current_setting(name) END;
    ALTER DATABASE ${name} SET search_path = older, pg_catalog, public`)
  expect(await refusal(url)).toMatch(/is PostgreSQL 16\.4; version 17 or newer is needed/)
  await close()
})

test('something at the address that is not PostgreSQL is refused', async () => {
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  expect(await refusal(`postgres://school:s3cret-word@127.0.0.1:${port}/school`)).toMatch(new RegExp(`127\\.0\\.0\\.1:${port} did not answer`))
  server.close()
})

test('however long the database was away, it is asked again within a second', () => {
  fc.assert(fc.property(fc.nat(), (failures) => {
    expect(reconnectDelay(failures)).toBeGreaterThanOrEqual(0)
    expect(reconnectDelay(failures)).toBeLessThanOrEqual(1)
  }))
})

test('a question that takes too long is given up, and who must take longer says so for one transaction', async () => {
  const { db, url, close } = await openTestDatabase()
  expect(await db.sql`SHOW statement_timeout`).toEqual([{ statement_timeout: '15s' }])
  const hasty = await connect(url, { statementTimeoutMs: 50 })
  await expect(hasty.sql`SELECT pg_sleep(60)`).rejects.toMatchObject({ code: '57014' })
  await hasty.sql.begin(async (sql) => {
    await sql`SELECT set_config('statement_timeout', '0', true)`
    await sql`SELECT pg_sleep(0.2)`
  })
  await expect(hasty.sql`SELECT pg_sleep(60)`).rejects.toMatchObject({ code: '57014' })
  await hasty.close()
  await close()
})

test('two servers that start at once wait for each other\'s migrations as long as it takes, and then are as hasty as before', async () => {
  const { db, url, close } = await openTestDatabase()
  const hasty = await connect(url, { statementTimeoutMs: 50 })
  let migrated: Promise<void> | undefined
  await db.sql.begin(async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.migrate'))`
    migrated = migrate(hasty)
    await sql`SELECT pg_sleep(0.3)`
  })
  await migrated
  await Promise.all(Array.from({ length: 10 }, () => expect(hasty.sql`SELECT pg_sleep(60)`).rejects.toMatchObject({ code: '57014' })))
  await hasty.close()
  await close()
})
