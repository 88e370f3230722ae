/** Brings a database to the newest shape: the plain SQL files of migrations/, in order, each once. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseRefused } from './connect.ts'
import type { Database } from './connect.ts'

const FOLDER = join(import.meta.dirname, 'migrations')

/**
 * Each file in a transaction of its own, all under one lock, so that two servers may start together.
 * @throws DatabaseRefused when the database holds a migration that this version does not know, or knows otherwise.
 */
export async function migrate(db: Database): Promise<void> {
  const names = (await readdir(FOLDER)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort()
  const files = await Promise.all(names.map(async (name) => ({ name, text: await readFile(join(FOLDER, name), 'utf8') })))
  const held = await db.sql.reserve()
  try {
    // The server that has the lock may be changing a whole table, and so may we.
    await held`SELECT set_config('statement_timeout', '0', false)`
    await held`SELECT pg_advisory_lock(hashtext('fastrackai.migrate'))`
    await held`CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`
    const applied = new Map((await held<{ name: string; sha256: string }[]>`SELECT name, sha256 FROM schema_migrations`).map((row) => [row.name, row.sha256]))
    const unknown = [...applied.keys()].filter((name) => !names.includes(name))
    if (unknown.length > 0) {
      throw new DatabaseRefused(`the database was made by a newer version of this server (it holds ${unknown.join(', ')}); start that version`)
    }
    for (const { name, text } of files) {
      const sha256 = createHash('sha256').update(text).digest('hex')
      const before = applied.get(name)
      if (before === sha256) continue
      if (before !== undefined) throw new DatabaseRefused(`migration ${name} is not the one that this database was made with; use the version that made it`)
      await held.unsafe('BEGIN')
      try {
        await held.unsafe(text)
        await held`INSERT INTO schema_migrations (name, sha256) VALUES (${name}, ${sha256})`
        await held.unsafe('COMMIT')
      } catch (error) {
        await held.unsafe('ROLLBACK')
        throw error
      }
    }
  } finally {
    await held`SELECT pg_advisory_unlock(hashtext('fastrackai.migrate'))`.catch(() => {})
    await held`RESET statement_timeout`.catch(() => {})
    held.release()
  }
}
