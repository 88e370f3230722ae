/**
 * What routes and the server's own work put on record: bound to the school's key and the clock. Resolves when it is committed, so
 * an answer that waits for it is never given without its entry. Knows no table; db/audit.ts does.
 */
import { AuditEvent } from '#contract/audit'
import { appendAudit } from '../db/audit.ts'
import type { NewAuditEntry } from '../db/audit.ts'
import type { Database } from '../db/connect.ts'
import type { Identity } from './identity.ts'

/** `inside`: the Database of a `together`; the entry is then written with what else is written there, and comes last. */
export type Audit = (event: AuditEvent, inside?: Database) => Promise<void>

interface Waiting {
  entry: NewAuditEntry
  settle: () => void
  fail: (error: unknown) => void
}

/** Entries in one transaction: a morning's rooms that ask in the same moment. */
const MOST_AT_ONCE = 500

/** What is asked for while one transaction is under way goes together in the next: no timer, and one commit for many. */
export function openAudit({ db, key, now }: { db: Database; key: Buffer; now: () => Date }): Audit {
  const waiting: Waiting[] = []
  let writing = false

  async function pump(): Promise<void> {
    if (writing) return
    writing = true
    while (waiting.length > 0) {
      const group = waiting.splice(0, MOST_AT_ONCE)
      try {
        await appendAudit(db, key, ...group.map(({ entry }) => entry))
        for (const { settle } of group) settle()
      } catch (error) {
        for (const { fail } of group) fail(error)
      }
    }
    writing = false
  }

  return async (event, inside) => {
    const entry = { ...AuditEvent.parse(event), at: now() }
    if (inside) return appendAudit(inside, key, entry)
    return new Promise<void>((settle, fail) => {
      waiting.push({ entry, settle, fail })
      void pump()
    })
  }
}

/** Who asks, as the log names them. */
export function actorOf(identity: Identity): string {
  switch (identity.kind) {
    case 'device':
      return `device:${identity.device_id}`
    case 'script':
      return 'script'
    case 'person':
      return `account:${identity.username}`
  }
}
