/**
 * The promises of the design, held against what one world has left behind. Knows no time and no network: it looks at
 * what the kiosks showed and let go of, and at the record.
 */
import { OPENS_EARLY_MS } from '../../kiosk/attendance/lesson-clock.ts'
import { nameOf } from './kiosk.ts'
import type { Life, Shown } from './kiosk.ts'
import type { Plan, PlannedLesson } from './plan.ts'
import type { RecordedMark, SchoolRecord } from './school.ts'

/** Each named after the promise that it breaks. */
export interface Violation {
  promise: string
  what: string
}

export const PROMISES = {
  kept: 'A mark that was shown is in the record, or set aside with its reason',
  onDisk: 'A mark is on disk before it is on screen',
  letGo: 'A kiosk lets go of a mark only when it is stored or refused in the record',
  once: 'A student is marked once per lesson, by key',
  lesson: 'A kiosk that has spoken to the server marks the right lesson',
  time: 'A kiosk that has spoken to the server knows the time to half a round trip',
  roster: 'A roster is replaced whole, and is what the school said',
  withdrawn: 'Withdrawing consent removes every template at the next contact',
  correction: 'A correction by a person beats every mark, whenever either arrives',
  status: 'A mark is late from ten minutes after the start',
  doubt: 'A doubt reaches the record beside its mark',
  alarms: 'An alarm is raised for a storage that was wiped or copied, and for no other',
  drains: 'Once everything is well again, every kiosk is rid of its marks',
  sound: 'Nothing fails for a reason that nobody expected',
} as const

export interface LetGo {
  kiosk: string
  life: Life
  mark_id: string
  /** As it lay on the disk then: it may have been re-dated since it was shown. */
  mark: { held_on: string; lesson_id: string; student_id: string }
  state: 'stored' | 'refused'
  /** True time, ms. */
  at: number
}

/** A storage that is gone, with what it had made. */
export interface Wiped {
  device_id: string
  store_id: string
  made: number
}

export interface Corrected {
  lesson: PlannedLesson
  student: string
  status: string
}

export interface Outcome {
  plan: Plan
  shown: Shown[]
  letGo: LetGo[]
  corrected: Corrected[]
  /** Marks that their kiosk has put a doubt beside. */
  doubted: Shown[]
  wiped: Wiped[]
  /** The storage of which there were two, by device. The copy's own marks went with it. */
  copied: Map<string, string>
  /** Courses whose students changed on the way. */
  changedCourses: Set<string>
  /** Lessons that a kiosk has ever been told of: nobody can put a mark into another one. */
  toldOf: Map<string, Set<string>>
  record: SchoolRecord
}

const keyOf = ({ held_on, lesson_id, student_id }: { held_on: string; lesson_id: string; student_id: string }): string => `${held_on} ${lesson_id} ${student_id}`

/** Whole milliseconds are told on the way to the server, back, and on the disk. */
const GRAIN_MS = 5
/** What the clocks of a kiosk drift at most, as planned, in as long as a life of the page lasts. */
const DRIFT_MS = 100e-6 * 2.5 * 3_600_000

export function violationsOf(o: Outcome): Violation[] {
  const found: Violation[] = []
  const say = (promise: keyof typeof PROMISES, what: string): void => void found.push({ promise: PROMISES[promise], what })
  const { record } = o
  const byKey = new Map(record.marks.map((mark) => [keyOf(mark), mark]))
  const byId = new Map(record.marks.flatMap((mark) => (mark.mark_id ? [[mark.mark_id, mark] as const] : [])))
  const aside = new Map(record.aside.flatMap((each) => (each.mark_id ? [[each.mark_id, each] as const] : [])))

  const ids = record.marks.flatMap(({ mark_id, student_id }) => (mark_id ? [`${mark_id} ${student_id}`] : []))
  if (new Set(ids).size < ids.length) say('once', 'one mark_id is in the record twice')

  for (const shown of o.shown) {
    const kept = byId.get(shown.mark.mark_id)
    if (kept) continue
    if (isExcused(o, shown) || byKey.has(keyOf(shown.mark)) || aside.has(shown.mark.mark_id)) continue
    // Of two marks that turned out to be of one lesson, one is kept.
    if (!inTrueLesson(o, shown)) say('kept', `${shown.kiosk} showed ${nameOf(shown.mark)} at ${iso(shown.at)}, and it is nowhere`)
  }

  for (const { kiosk, mark_id, mark, state, at } of o.letGo) {
    const there = [byId.get(mark_id)?.received_at, byKey.get(keyOf(mark))?.received_at, aside.get(mark_id)?.first_at].reduce((first, each) => Math.min(first, each === undefined ? first : Date.parse(each)), Number.POSITIVE_INFINITY)
    if (there > at) say('letGo', `${kiosk} let go of ${nameOf(mark)} (${state}) at ${iso(at)}, and it was in the record ${there === Number.POSITIVE_INFINITY ? 'never' : `from ${iso(there)}`}`)
  }

  for (const shown of o.shown) {
    const mark = byId.get(shown.mark.mark_id)
    if (!mark || !knewTheTime(o, shown)) continue
    const off = Date.parse(mark.timestamp) - shown.at
    const within = boundOf(shown)
    if (Math.abs(off) > within) say('time', `${shown.kiosk} marked ${nameOf(mark)} at ${iso(shown.at)}, and the record says ${mark.timestamp}, ${off} ms off; its word was good to ${Math.round(within)} ms`)
    const right = lessonsNear(o.plan, shown, within)
    if (right.some((lesson) => lesson?.lesson_id === mark.lesson_id && lesson.held_on === mark.held_on)) continue
    // A student of another class stays where they were seen.
    const told = o.toldOf.get(shown.kiosk)
    const certain = right.every((lesson) => lesson !== undefined && told?.has(`${lesson.held_on} ${lesson.lesson_id}`) === true && !o.changedCourses.has(lesson.course_id) && (o.plan.enrolled[lesson.course_id] ?? []).includes(mark.student_id))
    if (shown.sure || certain) say('lesson', `${shown.kiosk} marked ${nameOf(mark)} at ${iso(shown.at)}, when ${right.map((lesson) => (lesson ? `${lesson.held_on} ${lesson.lesson_id}` : 'none')).join(' or ')} was on`)
  }

  const real = new Map<string, RecordedMark>()
  for (const shown of o.shown) {
    const mark = byId.get(shown.mark.mark_id)
    if (!mark || !knewTheTime(o, shown)) continue
    const [lesson, ...others] = lessonsNear(o.plan, shown, boundOf(shown))
    if (!lesson || others.length > 0 || o.changedCourses.size > 0) continue
    const key = `${lesson.held_on} ${lesson.lesson_id} ${mark.student_id}`
    const before = real.get(key)
    if (before && before.mark_id !== mark.mark_id && shown.sure) say('once', `${mark.student_id} is in the record twice for ${lesson.held_on} ${lesson.lesson_id}: as ${nameOf(before)} and as ${nameOf(mark)}`)
    real.set(key, mark)
  }

  const statuses = new Map(record.statuses.map((each) => [keyOf(each), each.status]))
  const last = new Map(o.corrected.map(({ lesson, student, status }) => [keyOf({ ...lesson, student_id: student }), status]))
  for (const [key, status] of last) if (statuses.get(key) !== status) say('correction', `${key} was corrected to ${status} and is ${statuses.get(key) ?? 'not there'}`)
  for (const mark of record.marks) {
    const lesson = o.plan.lessons.find(({ lesson_id, held_on }) => lesson_id === mark.lesson_id && held_on === mark.held_on)
    const status = statuses.get(keyOf(mark))
    if (!lesson || last.has(keyOf(mark))) continue
    const right = Date.parse(mark.timestamp) >= lesson.startsAt + 600_000 ? 'late' : 'present'
    if (status !== right) say('status', `${nameOf(mark)} at ${mark.timestamp} is ${status ?? 'not there'} and should be ${right}`)
  }

  sayAlarms(o, say)

  const doubts = new Set(record.doubts.map(keyOf))
  for (const doubted of o.doubted) {
    if (isExcused(o, doubted)) continue
    const kept = byId.get(doubted.mark.mark_id)
    // Where it was put right and went into another one of that lesson, its doubt went along.
    const places = kept ? [kept] : [byKey.get(keyOf(doubted.mark)), ...(doubted.sure ? [] : [inTrueLesson(o, doubted)])].filter((mark) => mark !== undefined)
    if (places.length > 0 && !places.some((mark) => doubts.has(keyOf(mark)))) say('doubt', `the doubt of ${nameOf(doubted.mark)} at ${iso(doubted.at)} is not in the record`)
  }
  return found
}

/** It went with its storage, and not through the kiosk's fault. */
function isExcused({ wiped }: Outcome, { storeId, kiosk }: Pick<Shown, 'storeId' | 'kiosk'>): boolean {
  return kiosk.endsWith(' copy') || wiped.some(({ store_id }) => store_id === storeId)
}

function sayAlarms(o: Outcome, say: (promise: keyof typeof PROMISES, what: string) => void): void {
  const { wiped, copied, record, shown } = o
  for (const { device_id, kind, store_id, marks } of record.alarms) {
    const gone = wiped.find((each) => each.store_id === store_id)
    if (kind === 'storage_copied' && copied.get(device_id) === store_id) continue
    if (kind !== 'storage_replaced' || !gone) {
      say('alarms', `${kind} was raised for ${device_id} (${marks} marks) without a reason`)
      continue
    }
    const here = new Set(record.marks.map(({ mark_id }) => mark_id))
    const lost = shown.filter((each) => each.storeId === store_id && !here.has(each.mark.mark_id))
    // Some of them the new storage may have made again: those students are not missing, the marks are.
    const missed = lost.filter((each) => !record.marks.some((mark) => keyOf(mark) === keyOf(each.mark)))
    // What it made after its last heartbeat nobody can know of.
    const told = record.stores.find((store) => store.store_id === store_id)?.made ?? 0
    if (marks > lost.length || (told === gone.made && marks < missed.length)) say('alarms', `${kind} of ${device_id} says that ${marks} marks are lost; ${lost.length} are`)
  }
  const raised = (kind: string, store_id: string): boolean => record.alarms.some((alarm) => alarm.kind === kind && alarm.store_id === store_id)
  for (const { device_id, store_id } of wiped) {
    if (record.stores.some((store) => store.store_id === store_id) && !raised('storage_replaced', store_id)) say('alarms', `the storage of ${device_id} was wiped, and nobody was told`)
  }
  for (const [device_id, store_id] of copied) if (!raised('storage_copied', store_id)) say('alarms', `two copies of the storage of ${device_id} were in use, and nobody was told`)
}

/** In the life in which the mark was made the server was heard before, or the mark was put right and sent. */
function knewTheTime(o: Outcome, { sure, life, mark }: Shown): boolean {
  if (sure) return true
  const letGo = o.letGo.filter((each) => each.mark_id === mark.mark_id)
  // A copy of its storage has no way to put a guessed time right, and may have been first to send it.
  return letGo.some((each) => each.life === life) && !letGo.some((each) => each.kiosk.endsWith(' copy'))
}

function boundOf({ life }: Shown): number {
  return life.longestTrip / 2 + GRAIN_MS + DRIFT_MS
}

/** The lessons that a kiosk whose clock is right to within `bound` may take for the one that is on; undefined: none. */
function lessonsNear({ lessons, kiosks }: Plan, { kiosk, since, at }: Shown, bound: number): (PlannedLesson | undefined)[] {
  const room = kiosks.find(({ name }) => kiosk.startsWith(name))?.room_id
  const here = lessons.filter(({ room_id }) => room_id === room)
  const edges = here.flatMap(({ startsAt, endsAt }) => [startsAt, endsAt, startsAt - OPENS_EARLY_MS])
  const moments = [since - bound, at, at + bound, ...edges.filter((edge) => edge >= since - bound && edge <= at + bound)]
  return [...new Set(moments.flatMap((moment) => [lessonOn(here, moment), lessonOn(here, moment - 1)]))]
}

function lessonOn(lessons: PlannedLesson[], at: number): PlannedLesson | undefined {
  const running = lessons.find(({ startsAt, endsAt }) => startsAt <= at && at < endsAt)
  return running ?? lessons.find(({ startsAt }) => startsAt > at && startsAt - at <= OPENS_EARLY_MS)
}

function inTrueLesson(o: Outcome, shown: Shown): RecordedMark | undefined {
  const near = lessonsNear(o.plan, shown, boundOf(shown))
  return o.record.marks.find((mark) => mark.student_id === shown.mark.student_id && near.some((lesson) => lesson?.lesson_id === mark.lesson_id && lesson.held_on === mark.held_on))
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
