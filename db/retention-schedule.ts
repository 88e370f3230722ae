/** The public schedule: each kind of data that is kept, from when its time is counted and how long it is. Knows no row of any of them. */
import type { RetentionKind, RetentionSchedule } from '#contract/consent'
import type { Database } from './connect.ts'
import { retentionRules } from './retention-rules.ts'

const SETTABLE: Readonly<Record<RetentionKind, { what: string; counted_from: string }>> = {
  templates: { what: 'Face templates of students who are still here', counted_from: 'the day the face was last enrolled' },
  templates_of_leavers: { what: 'Face templates of students who take no course any more', counted_from: 'the end of their last course' },
  consents: { what: 'Consents that were withdrawn, or that another took the place of', counted_from: 'the day they ended' },
  set_aside: { what: 'Records of kiosks that could not be taken', counted_from: 'the day the office dealt with them' },
  sessions: { what: 'Signed-in sessions', counted_from: 'the end of the session' },
  alarms: { what: 'Alarms of kiosks', counted_from: 'the day somebody closed them' },
  audit: { what: 'The audit log: who did what, by id, without names', counted_from: 'the day of the entry' },
}

const MARKS = 'Attendance: marks, corrections, doubts, which kiosk watched which lesson, and the sums of reports'

/** @param marksMonths whole months before the running one; undefined: all */
export async function retentionSchedule(db: Database, marksMonths: number | undefined): Promise<RetentionSchedule> {
  const [[school], rules] = await Promise.all([db.sql<{ name: string }[]>`SELECT name FROM school`, retentionRules(db)])
  const fixed = (kind: string, what: string, counted_from: string, days: number | null = null, months: number | null = null): RetentionSchedule['kinds'][number] => ({ kind, what, days, months, counted_from, settable: false })
  return {
    school: school?.name ?? '',
    kinds: [
      fixed('photos', 'Photos and camera pictures', 'never kept: they do not leave the device that took them', 0),
      ...(Object.keys(SETTABLE) as RetentionKind[]).map((kind) => ({ kind, ...SETTABLE[kind], days: rules.get(kind) ?? null, months: null, settable: true })),
      fixed('templates_at_kiosks', 'Face templates at a kiosk', 'its last contact with the server; at a withdrawal or erasure they go at its next contact', 7),
      fixed('marks', MARKS, marksMonths === undefined ? 'kept for good: the school has set no limit' : 'the end of the month of the lesson', null, marksMonths ?? null),
      fixed('heartbeats', 'How each kiosk is', 'only its newest word is kept'),
      fixed('people', 'Names, addresses, PINs, cards, accounts and consents in force', 'kept until they are changed, removed, or the person is erased'),
      fixed('certificates', 'Proofs of deletion, without names', 'kept for good'),
    ],
  }
}
