/** The templates that a face is verified against. They stay in this process: nothing sends them on. */
import type { ModelId } from '#contract/model'
import type { Database } from '../db/connect.ts'

export interface KeptTemplate {
  model: ModelId
  embedding: number[]
}

/** Only under a consent in force. Undefined: no such student. */
export async function templatesOf(db: Database, studentId: string): Promise<KeptTemplate[] | undefined> {
  const [known] = await db.sql`SELECT FROM students WHERE student_id = ${studentId}`
  if (!known) return undefined
  const rows = await db.sql<{ model: ModelId; embedding: Buffer }[]>`
    SELECT t.model, t.embedding FROM templates t
    JOIN consents c ON c.student_id = t.student_id AND c.withdrawn_at IS NULL
    WHERE t.student_id = ${studentId}`
  return rows.map(({ model, embedding }) => ({ model, embedding: numbersOf(embedding) }))
}

/** float32, little-endian. */
function numbersOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))
}
