/**
 * What is to happen in one world, drawn from its seed before it begins: a school, its kiosks, people who come, and
 * everything that goes wrong. Data alone; knows no kiosk's code and no server.
 */
import { PACE } from '../../kiosk/sync/pace.ts'
import type { Pace } from '../../kiosk/sync/pace.ts'
import { chanceOf } from './chance.ts'
import type { Chance } from './chance.ts'
import type { Weather } from './network.ts'
import { addDays, dayOfWeek, instantOf } from './zoned.ts'

export interface PlannedLesson {
  lesson_id: string
  held_on: string
  course_id: string
  room_id: string
  startsAt: number
  endsAt: number
}

export interface TimetableRow {
  schedule_id: string
  course_id: string
  room_id: string
  day_of_week: number
  /** Minutes since midnight; an end from 1440 on is the next day's. */
  starts: number
  ends: number
}

export interface PlannedKiosk {
  name: string
  device_id: string
  room_id: string
  key: string
  /** What its own clock is off by when it first starts, ms. */
  clockOff: number
  /** It has no battery: each start finds the clock at 1970. */
  forgetsTime: boolean
  /** Parts in a million that its clocks run fast. */
  drift: number
  pace: Pace
  weather: Weather
}

export type Deed =
  | { kind: 'power_on'; kiosk: number }
  | { kind: 'power_cut'; kiosk: number }
  | { kind: 'reload'; kiosk: number }
  | { kind: 'appear'; kiosk: number; student: string; doubt: boolean }
  | { kind: 'weather'; kiosk: number; weather: Weather }
  | { kind: 'network_back'; kiosk: number }
  | { kind: 'clock_set'; kiosk: number; by: number }
  | { kind: 'disk_full'; kiosk: number; full: boolean }
  | { kind: 'disk_slow'; kiosk: number; slow: boolean }
  | { kind: 'wipe'; kiosk: number }
  | { kind: 'copy'; kiosk: number }
  | { kind: 'server'; up: boolean }
  | { kind: 'database'; up: boolean }
  | { kind: 'flush_queue' }
  | { kind: 'correct'; lesson: number; student: string; status: 'present' | 'late' | 'absent' | 'excused' }
  | { kind: 'withdraw'; student: string }
  | { kind: 'enrol'; course: string; students: string[] }

export interface Plan {
  seed: number
  zone: string
  rooms: string[]
  students: string[]
  /** By course. */
  enrolled: Record<string, string[]>
  /** Students with consent and a template. */
  consenting: string[]
  timetable: TimetableRow[]
  effectiveFrom: string
  /** Every lesson of the timetable from the first date to a day after the last. */
  lessons: PlannedLesson[]
  kiosks: PlannedKiosk[]
  /** `queue`: a stream in front of PostgreSQL, drained by a recorder. */
  intake: 'group' | 'queue'
  startsAt: number
  endsAt: number
  deeds: { at: number; deed: Deed }[]
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A school's zone, and dates on which its clocks move. */
const ZONES: { zone: string; moves: string[] }[] = [
  { zone: 'Europe/Stockholm', moves: ['2027-10-31', '2028-03-26'] },
  { zone: 'America/New_York', moves: ['2027-11-07', '2028-03-12'] },
  { zone: 'Australia/Lord_Howe', moves: ['2027-10-03', '2028-04-02'] },
  { zone: 'Pacific/Chatham', moves: ['2027-09-26', '2028-04-02'] },
  { zone: 'Asia/Kolkata', moves: [] },
  { zone: 'Pacific/Tongatapu', moves: [] },
  { zone: 'UTC', moves: [] },
]

/** Ends of months and of a year, and a day that most years do not have. */
const EDGES = ['2027-11-30', '2027-12-31', '2028-01-01', '2028-01-31', '2028-02-28', '2028-02-29', '2028-03-31']

/** All dates of all worlds lie between these. */
export const FIRST_DATE = '2027-09-01'
export const LAST_DATE = '2028-05-15'

export function planOf(seed: number): Plan {
  const chance = chanceOf(`world ${seed}`)
  const { zone, moves } = chance.pick(ZONES)
  const date = chance.maybe(0.35) && moves.length > 0 ? chance.pick(moves) : chance.maybe(0.3) ? chance.pick(EDGES) : addDays(FIRST_DATE, chance.int(10, 240))
  const again = chance.maybe(0.12)
  const rooms = chance.maybe(0.15) ? ['R1', 'R2'] : ['R1']
  const students = Array.from({ length: chance.int(2, 5) }, (_, i) => `S${i + 1}`)
  const school = timetableOf(chance.fork('timetable'), rooms, students, date)
  const lessonsFrom = (day: string): PlannedLesson[] => [day, addDays(day, 1)].flatMap((held_on) => lessonsOf(school.timetable, zone, held_on)).sort((a, b) => a.startsAt - b.startsAt)
  // A night in which the clocks move may leave no time for any lesson: then the week after it is.
  const dates = [date, addDays(date, 7)].filter((day) => lessonsFrom(day).length > 0).slice(0, again ? 2 : 1)
  const lessons = dates.flatMap(lessonsFrom)
  const kiosks = kiosksOf(chance.fork('kiosks'), rooms)
  const sessions = dates.map((day) => spanOf(chance, lessonsFrom(day)))
  const plan: Plan = {
    seed,
    zone,
    rooms,
    students,
    enrolled: school.enrolled,
    consenting: students.filter(() => chance.maybe(0.5)),
    timetable: school.timetable,
    effectiveFrom: date,
    lessons,
    kiosks,
    intake: chance.maybe(0.35) ? 'queue' : 'group',
    startsAt: sessions[0]?.from ?? 0,
    endsAt: sessions.at(-1)?.to ?? 0,
    deeds: [],
  }
  plan.deeds = sessions.flatMap((session, i) => deedsOf(chance.fork(`session ${i}`), plan, session, i === sessions.length - 1)).sort((a, b) => a.at - b.at)
  return plan
}

function timetableOf(chance: Chance, rooms: string[], students: string[], date: string): { timetable: TimetableRow[]; enrolled: Record<string, string[]> } {
  const timetable: TimetableRow[] = []
  const enrolled: Record<string, string[]> = {}
  const begins = chance.weigh({ day: 5, midnight: 2, night: 2 })
  let starts = begins === 'day' ? chance.int(8 * 60, 14 * 60) : begins === 'midnight' ? chance.int(23 * 60, 23 * 60 + 50) : chance.int(60, 2 * 60 + 45)
  const begin = starts
  for (const room_id of rooms) {
    starts = begin
    const courses = Array.from({ length: chance.int(1, 2) }, (_, i) => `${room_id}C${i + 1}`)
    for (const course of courses) enrolled[course] = students.filter(() => chance.maybe(0.85))
    for (let i = 0, count = chance.pick([1, 1, 2]); i < count; i += 1) {
      const late = starts >= 1440
      const length = chance.int(8, 20)
      const from = late ? starts - 1440 : starts
      timetable.push({ schedule_id: `${room_id}L${i + 1}`, course_id: chance.pick(courses), room_id, day_of_week: dayOfWeek(addDays(date, late ? 1 : 0)), starts: from, ends: from + length })
      starts += length + chance.pick([0, 0, 0, 5, 12])
    }
  }
  return { timetable, enrolled }
}

function lessonsOf(timetable: TimetableRow[], zone: string, held_on: string): PlannedLesson[] {
  return timetable
    .filter((row) => row.day_of_week === dayOfWeek(held_on))
    .map(({ schedule_id, course_id, room_id, starts, ends }) => ({
      lesson_id: schedule_id, held_on, course_id, room_id,
      startsAt: instantOf(zone, held_on, starts),
      endsAt: instantOf(zone, held_on, ends),
    }))
    // A lesson for which the night leaves no time is not held.
    .filter(({ startsAt, endsAt }) => startsAt < endsAt)
}

function kiosksOf(chance: Chance, rooms: string[]): PlannedKiosk[] {
  const twoInOne = chance.maybe(0.12)
  return (twoInOne ? [...rooms, 'R1'] : rooms).map((room_id, i) => {
    const clock = chance.weigh({ right: 4, seconds: 2, minutes: 1, hours: 2, forgets: 2 })
    const sign = chance.pick([-1, 1])
    const real = chance.maybe(0.01)
    return {
      name: `kiosk ${i + 1}`,
      device_id: `pi-${i + 1}`,
      room_id,
      key: `${i + 1}`.repeat(43),
      clockOff: clock === 'right' ? chance.int(-50, 50) : clock === 'seconds' ? sign * chance.int(500, 30_000) : clock === 'minutes' ? sign * chance.int(2, 40) * MINUTE : sign * 2.5 * HOUR,
      forgetsTime: clock === 'forgets',
      drift: chance.int(-100, 100),
      weather: chance.weigh<Weather>({ good: 5, slow: 1, lossy: 3, offline: 2, portal: 1, proxy: 1 }),
      pace: real
        ? PACE
        : {
            ...PACE,
            pushAtMarks: chance.pick([1, 2, 5, 10]),
            pushAfterMs: chance.pick([5_000, 60_000]),
            batch: chance.pick([1, 2, 3, 100]),
            beatEveryMs: chance.pick([300_000, 900_000, 1_800_000, 1_800_000]),
            pullEveryMs: chance.pick([1_200_000, 3_600_000]),
            fenceEveryMs: chance.pick([300_000, 900_000]),
          },
    }
  })
}

interface Span {
  from: number
  to: number
  lessons: PlannedLesson[]
}

function spanOf(chance: Chance, lessons: PlannedLesson[]): Span {
  const from = Math.min(...lessons.map(({ startsAt }) => startsAt)) - chance.int(1, 8) * MINUTE
  const to = Math.max(...lessons.map(({ endsAt }) => endsAt)) + chance.int(0, 3) * MINUTE
  return { from, to, lessons }
}

function deedsOf(chance: Chance, plan: Plan, { from, to, lessons }: Span, last: boolean): Plan['deeds'] {
  const deeds: Plan['deeds'] = []
  const add = (at: number, deed: Deed): void => void deeds.push({ at, deed })
  const within = (): number => chance.int(from, to)
  /** Something that goes wrong now and then, and is over after a while. */
  const spell = (share: number, longest: number, begin: Deed, end: Deed): void => {
    if (!chance.maybe(share)) return
    const at = within()
    add(at, begin)
    add(at + chance.int(1_000, longest), end)
  }
  for (const [kiosk, { room_id }] of plan.kiosks.entries()) {
    add(from + chance.pick([0, 0, 0, chance.int(0, 10 * MINUTE)]), { kind: 'power_on', kiosk })
    for (const lesson of lessons.filter((each) => each.room_id === room_id)) {
      for (const student of plan.students.filter(() => chance.maybe(0.75))) {
        for (let times = chance.pick([1, 1, 1, 2]); times > 0; times -= 1) add(momentOf(chance, lesson), { kind: 'appear', kiosk, student, doubt: chance.maybe(0.1) })
      }
    }
    for (let n = chance.pick([0, 0, 1, 1, 2, 3]); n > 0; n -= 1) {
      const weather = chance.weigh<Weather>({ good: 4, slow: 1, lossy: 4, offline: 3, portal: 1, proxy: 2 })
      const at = within()
      add(at, { kind: 'weather', kiosk, weather })
      if (weather === 'good' && chance.maybe(0.5)) add(at + chance.int(1, 3_000), { kind: 'network_back', kiosk })
    }
    for (let n = chance.pick([0, 0, 0, 1, 1, 2]); n > 0; n -= 1) {
      const at = within()
      const kind = chance.pick(['power_cut', 'power_cut', 'reload'] as const)
      add(at, { kind, kiosk })
      const back = kind === 'reload' ? at : at + chance.int(20_000, 300_000)
      if (kind === 'power_cut') add(back, { kind: 'power_on', kiosk })
      // Often the network goes with the power, and comes back later; people do not wait for it.
      if (!chance.maybe(0.4)) continue
      add(back - 1, { kind: 'weather', kiosk, weather: chance.pick(['offline', 'portal', 'lossy']) })
      add(back + chance.int(2_000, 90_000), { kind: 'appear', kiosk, student: chance.pick(plan.students), doubt: false })
      add(back + chance.int(60_000, 10 * MINUTE), { kind: 'weather', kiosk, weather: 'good' })
    }
    for (let n = chance.pick([0, 0, 0, 1, 2]); n > 0; n -= 1) {
      const by = chance.pick([chance.int(-2_000, 2_000), chance.int(-10, 10) * MINUTE, 2.5 * HOUR, -2.5 * HOUR, HOUR, -HOUR, -50 * 365 * 24 * HOUR])
      // Mostly a little before somebody comes.
      const coming = deeds.filter(({ deed }) => deed.kind === 'appear' && deed.kiosk === kiosk)
      add(coming.length > 0 && chance.maybe(0.7) ? chance.pick(coming).at - chance.int(10, 60_000) : within(), { kind: 'clock_set', kiosk, by })
    }
    spell(0.12, 10 * MINUTE, { kind: 'disk_full', kiosk, full: true }, { kind: 'disk_full', kiosk, full: false })
    spell(0.15, 20 * MINUTE, { kind: 'disk_slow', kiosk, slow: true }, { kind: 'disk_slow', kiosk, slow: false })
    const misfortune = last ? chance.weigh({ wipe: 4, copy: 3, none: 93 }) : 'none'
    if (misfortune !== 'none') add(within(), { kind: misfortune, kiosk })
    if (!last) add(to, { kind: 'power_cut', kiosk })
  }
  spell(0.15, 5 * MINUTE, { kind: 'server', up: false }, { kind: 'server', up: true })
  spell(0.12, 5 * MINUTE, { kind: 'database', up: false }, { kind: 'database', up: true })
  if (plan.intake === 'queue') for (let n = chance.pick([0, 1, 2, 3]); n > 0; n -= 1) add(within(), { kind: 'flush_queue' })
  for (let n = chance.pick([0, 0, 0, 1, 2]); n > 0; n -= 1) {
    const lesson = chance.pick(lessons)
    const student = chance.pick(plan.students)
    const place = plan.lessons.findIndex(({ lesson_id, held_on }) => lesson_id === lesson.lesson_id && held_on === lesson.held_on)
    add(chance.maybe(0.7) ? momentOf(chance, lesson) : within(), { kind: 'correct', lesson: place, student, status: chance.pick(['present', 'late', 'absent', 'excused']) })
  }
  if (plan.consenting.length > 0 && chance.maybe(0.2)) add(within(), { kind: 'withdraw', student: chance.pick(plan.consenting) })
  if (chance.maybe(0.12)) add(within(), { kind: 'enrol', course: chance.pick(Object.keys(plan.enrolled)), students: plan.students.filter(() => chance.maybe(0.8)) })
  // Until the next time the school is closed, and nobody is there.
  return last ? deeds : deeds.filter(({ at, deed }) => at <= to || !('kiosk' in deed))
}

/** Anywhere in a lesson, before its bell, or within seconds of its edges. */
function momentOf(chance: Chance, { startsAt, endsAt }: PlannedLesson): number {
  switch (chance.weigh({ within: 6, early: 2, edge: 2, start: 2 })) {
    case 'within':
      return chance.int(startsAt, endsAt)
    case 'early':
      return startsAt - chance.int(0, 9 * MINUTE)
    case 'edge':
      return chance.pick([startsAt, endsAt]) + chance.int(-3_000, 3_000)
    case 'start':
      return startsAt + chance.int(0, 12 * MINUTE)
  }
}
