/** What only PostgreSQL itself can say of a measurement: how many marks it holds. For benches alone. */
import { connect } from '../connect.ts'
import type { Database } from '../connect.ts'

const connections = new Map<string, Promise<Database>>()

/** @param devices pattern of LIKE. The connection stays open for the next count; it does not keep the process alive for ever. */
export async function countMarks(url: string, devices = '%'): Promise<number> {
  const opened = connections.get(url) ?? connect(url)
  connections.set(url, opened)
  const { sql } = await opened
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::integer AS count FROM attendance_logs WHERE device_id LIKE ${devices}`
  return row?.count ?? 0
}

export async function closeCounts(): Promise<void> {
  await Promise.all([...connections.values()].map(async (opened) => (await opened).close()))
  connections.clear()
}
