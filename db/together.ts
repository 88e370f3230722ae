/**
 * Several of the record's functions in one transaction: all of it is written, or nothing. Knows no table.
 *
 * [Note: Together] Each function of this folder takes a Database and makes its own transaction where it needs one. Handed the
 * Database that `together` gives, it takes part in that one transaction instead. So a write and its line in the audit log
 * are one, and neither function knows of the other. The audit log comes last: its lock, which the whole school
 * shares, is then held for the commit alone, and nobody waits for a row while holding it.
 */
import { drizzle } from 'drizzle-orm/postgres-js'
import type postgres from 'postgres'
import type { Database } from './connect.ts'

/** Two that met each other's locks the wrong way round, of which PostgreSQL ended one; or what was looked up is gone meanwhile (a student erased): it is as good as not begun. */
const BEGUN_ANEW = new Set(['40P01', '40001', '23503'])
const ATTEMPTS = 4
const joinedBy = new WeakSet<Database>()

/**
 * `inside` is of no use after `work` has ended. An error of any statement undoes it all: nothing in `work` may catch one and go on. `work` is
 * begun anew where another came in between, so it does nothing but in the database.
 */
export async function together<T>(db: Database, work: (inside: Database) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await db.sql.begin(async (transaction) => work(insideOf(db, transaction)))) as T
    } catch (error) {
      // Inside of another's transaction all of that is undone.
      if (attempt === ATTEMPTS || joinedBy.has(db) || !BEGUN_ANEW.has(codeOf(error))) throw error
    }
  }
}

/** A query builder tells of it as the cause of its own. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return 'code' in error ? String(error.code) : codeOf(error.cause)
}

/** For who has a transaction of their own already. */
export function insideOf(db: Database, transaction: postgres.TransactionSql): Database {
  // Who begins a transaction inside takes part in ours; options are for one of their own.
  const joined = Object.assign(transaction, {
    options: db.sql.options,
    begin: async (first: string | Body, body?: Body) => (body ?? (first as Body))(transaction),
  }) as unknown as postgres.Sql
  const inside: Database = { sql: joined, orm: drizzle(joined), close: async () => {} }
  joinedBy.add(inside)
  return inside
}

type Body = (sql: postgres.TransactionSql) => unknown
