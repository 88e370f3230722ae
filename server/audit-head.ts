/**
 * The audit log's head, kept once a day where who writes the database does not write: a line of the server's log, and of the file
 * that AUDIT_HEAD_FILE names (best on another machine's disk). Without it rows cut off the log's end would not be missed. A
 * line is `{"event":"audit_head","at":...,"seq":...,"hash":...,"key_id":...}`; the server's own log may be given in its place.
 */
import { appendFile, readFile } from 'node:fs/promises'
import { z } from 'zod'
import { auditHead, headHolds } from '../db/audit.ts'
import type { AuditHead } from '../db/audit-chain.ts'
import type { Database } from '../db/connect.ts'
import type { Log } from './log.ts'

const HeadLine = z.object({ event: z.literal('audit_head'), seq: z.int().min(1), hash: z.string().regex(/^[0-9a-f]{64}$/) })

/** The file is there and cannot be what it should. One line for a person. */
export class HeadFileRefused extends Error {
  override name = 'HeadFileRefused'
}

/** In the order they were kept; none where there is no file yet. Lines of other events are passed over. @throws HeadFileRefused */
export async function keptHeads(path: string): Promise<AuditHead[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw new HeadFileRefused(`${path} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`, { cause: error })
  }
  return text.split('\n').flatMap((line, index) => {
    if (!line.includes('"audit_head"')) return []
    const parsed = HeadLine.safeParse(jsonOf(line))
    if (!parsed.success) throw new HeadFileRefused(`line ${index + 1} of ${path} is not a head of the audit log; restore the file, or take the line out`)
    return [{ seq: parsed.data.seq, hash: parsed.data.hash }]
  })
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

export async function keepHead(path: string, head: AuditHead & { at: string; key_id: string }): Promise<void> {
  await appendFile(path, `${JSON.stringify({ event: 'audit_head', ...head })}\n`, { mode: 0o600 })
}

/** The daily round: 1. is the newest head that was kept still in the log? 2. tell where it ends now, and keep that. Events: `audit_head`, `audit_log_was_cut`. */
export async function headRound(db: Database, { path, log }: { path: string | undefined; log: Log }): Promise<'kept' | 'cut'> {
  const newest = path === undefined ? undefined : (await keptHeads(path)).at(-1)
  if (newest && (await headHolds(db, newest)) === false) {
    log({ event: 'audit_log_was_cut', seq: newest.seq, remedy: 'rows at the end of the audit log were taken away or changed since its head was kept: npm run audit -- --verify --head FILE' })
    return 'cut'
  }
  const head = await auditHead(db)
  if (!head) return 'kept'
  log({ event: 'audit_head', ...head })
  if (path !== undefined && newest?.seq !== head.seq) await keepHead(path, head)
  return 'kept'
}
