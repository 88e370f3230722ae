/** The record as the server has it, for a command: beside a running server, or without one. Knows nothing of what is asked of it. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { connect } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { startEmbedded } from '../db/embedded.ts'
import type { Config } from './config.ts'

/** There is none where the settings say. One line for a person. */
export class NoRecord extends Error {
  override name = 'NoRecord'
}

/** DATABASE_URL, else the embedded PostgreSQL, which may be running or not. @throws NoRecord, DatabaseRefused, DataFolderRefused */
export async function openRecordBeside(config: Config): Promise<{ db: Database; close: () => Promise<void> }> {
  if (config.databaseUrl !== undefined) return alone(await connect(config.databaseUrl))
  const dataDir = resolve(config.dataDir)
  const url = (await readFile(join(dataDir, 'database-url'), 'utf8').catch(() => '')).trim()
  if (url === '') throw new NoRecord(`there is no record in ${dataDir}; set DATA_DIR or DATABASE_URL as the server has it`)
  const running = await connect(url).catch(() => undefined)
  if (running) return alone(running)
  const embedded = await startEmbedded({ dataDir, log: () => {} })
  const db = await connect(embedded.url)
  return { db, close: async () => { await db.close(); await embedded.stop() } }
}

function alone(db: Database): { db: Database; close: () => Promise<void> } {
  return { db, close: () => db.close() }
}
