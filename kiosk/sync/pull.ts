/** Server -> roster: what this room's kiosk may know from now on. Knows no timer and no screen. */
import { z } from 'zod'
import { CURRENT_MODEL } from '#contract/model'
import { ROSTER_VERSION_HEADER, RosterStudent, RosterTemplate, Schedule } from '#contract/schedule'
import type { Pairing, SavedRoster } from '../store/store.ts'
import type { Host } from './host.ts'
import { request } from './request.ts'

/** The schedule as it comes: its templates are judged one by one, so that one bad template does not cost a room its lesson. */
const Student = RosterStudent.extend({ templates: z.array(z.unknown()) })
const PulledSchedule = Schedule.extend({ students: z.array(Student), ahead: Schedule.shape.ahead.extend({ students: z.array(Student) }) })

export interface Pulled {
  roster: SavedRoster
  /** False: the server said that what we hold is still right. */
  changed: boolean
  /** The server's clock, where it was told. */
  serverNow: number | undefined
}

/**
 * @param now ms since 1970, corrected clock
 * @param told the roster version that the newest heartbeat was told: of a server that says no more, the least that its answer can be of.
 * Throws Refused or Unreachable.
 */
export async function pullRoster(pairing: Pairing, held: SavedRoster | undefined, now: () => number, told: string | undefined, host: Host): Promise<Pulled> {
  let version = told
  const path = `/api/v1/schedule?room_id=${encodeURIComponent(pairing.roomId)}`
  const answer = await request(path, { key: pairing.key, etag: held?.etag, answer: PulledSchedule, host, heard: (headers) => (version = headers.get(ROSTER_VERSION_HEADER) ?? told) })
  // A 304 only ever answers the ETag of what we hold.
  if (!answer) return { roster: { ...(held as SavedRoster), pulledAt: now(), version }, changed: false, serverNow: undefined }
  const { schedule, refusedTemplates } = keepOwnTemplates(answer.value)
  const serverNow = Date.parse(schedule.now)
  return { roster: { schedule, etag: answer.etag, pulledAt: serverNow, refusedTemplates, lapsed: false, version }, changed: true, serverNow }
}

/** Leaves out the templates that this app's model cannot be compared with, and those that are no templates. */
export function keepOwnTemplates(pulled: z.infer<typeof PulledSchedule>): { schedule: Schedule; refusedTemplates: number } {
  let refusedTemplates = 0
  const keep = (students: z.infer<typeof Student>[]) =>
    students.map((student) => {
      const templates = student.templates.flatMap((template) => {
        const parsed = RosterTemplate.safeParse(template)
        return parsed.success && parsed.data.model === CURRENT_MODEL ? [parsed.data] : []
      })
      refusedTemplates += student.templates.length - templates.length
      return { ...student, templates }
    })
  const schedule = { ...pulled, students: keep(pulled.students), ahead: { ...pulled.ahead, students: keep(pulled.ahead.students) } }
  return { schedule, refusedTemplates }
}
