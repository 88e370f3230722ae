/** Whether PostgreSQL answers, asked with the smallest question there is. */
import type { Database } from '../db/connect.ts'

const PATIENCE_MS = 2_000

export async function databaseAnswers(db: Database): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PATIENCE_MS)
  })
  try {
    return await Promise.race([db.sql`SELECT 1`.then(() => true, () => false), silence])
  } finally {
    clearTimeout(timer)
  }
}
