/** A transaction whose connection dies, on a real PostgreSQL that is killed under it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql as drizzleSql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { connect } from './connect.ts'
import type { Database } from './connect.ts'
import { openTestDatabase } from './test-school.ts'

async function backends(admin: Database, query: string): Promise<number[]> {
  const rows = await admin.sql<{ pid: number }[]>`SELECT pid FROM pg_stat_activity WHERE query LIKE ${`%${query}%`} AND pid <> pg_backend_pid()`
  return rows.map(({ pid }) => pid)
}

describe('a connection that dies in a transaction', () => {
  // An exception that nobody can catch fails the whole file.
  test.each(['is told by PostgreSQL', 'dies without a word'])('%s: the transaction throws, the server lives, and every connection of the pool is made again', async (how) => {
    const { db, url, close } = await openTestDatabase()
    const served = await connect(url)
    for (let round = 0; round < 2; round++) {
      const transactions = Array.from({ length: 10 }, (_, n) =>
        n % 2 === 0
          ? served.sql.begin(async (sql) => { await sql`SELECT 1`; await sql`SELECT pg_sleep(60)` })
          : served.orm.transaction(async (tx) => { await tx.execute(drizzleSql`SELECT pg_sleep(60)`) }))
      const ends = Promise.allSettled(transactions)
      let pids: number[] = []
      while (pids.length < 10) {
        await sleep(20)
        pids = await backends(db, 'pg_sleep(60)')
      }
      if (how === 'dies without a word') process.kill(pids[0] ?? 0, 'SIGKILL')
      else await db.sql`SELECT pg_terminate_backend(pid) FROM jsonb_array_elements_text(${JSON.stringify(pids)}::text::jsonb) AS p (pid_text), LATERAL (SELECT pid_text::integer) AS q (pid)`
      expect((await ends).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'rejected'))
      for (let answered = false; !answered;) answered = await db.sql`SELECT 1`.then(() => true, () => false)
      const answers = await Promise.all(Array.from({ length: 20 }, async () => {
        for (;;) {
          const answer = await served.sql.begin(async (sql) => (await sql`SELECT pg_sleep(0.05), 7 AS seven`)[0]?.['seven']).catch(() => sleep(50))
          if (answer !== undefined) return answer
        }
      }))
      expect(answers).toEqual(Array.from({ length: 20 }, () => 7))
    }
    const patience = sleep(4_000, 'not closed')
    expect(await Promise.race([served.close().then(() => 'closed'), patience])).toBe('closed')
    await close()
  }, 120_000)
})

describe('a transaction that fails otherwise', () => {
  test('is rolled back, by a fault of its own and by one of PostgreSQL\'s', async () => {
    const { db, close } = await openTestDatabase()
    await db.sql`CREATE TABLE held (n integer PRIMARY KEY)`
    await expect(db.sql.begin(async (sql) => { await sql`INSERT INTO held VALUES (1)`; throw new Error('changed my mind') })).rejects.toThrow('changed my mind')
    await expect(db.sql.begin('ISOLATION LEVEL REPEATABLE READ', async (sql) => { await sql`INSERT INTO held VALUES (1)`; await sql`SELECT 1 / 0` })).rejects.toThrow(/division by zero/)
    await expect(db.orm.transaction(async (tx) => { await tx.execute(drizzleSql`INSERT INTO held VALUES (1)`); throw new Error('me too') })).rejects.toThrow('me too')
    expect(await db.sql`SELECT * FROM held`).toEqual([])
    expect(await db.sql.begin(async (sql) => sql`INSERT INTO held VALUES (2) RETURNING n`)).toEqual([{ n: 2 }])
    expect(await db.sql`SELECT * FROM held`).toEqual([{ n: 2 }])
    await close()
  })
})
