/** A school to try the product with: no faces, and a lesson in LAB-301 at any moment of any day. */
import { sql } from 'drizzle-orm'
import type { Database } from './connect.ts'
import { keyHash } from './devices.ts'
import { hashPassword } from './password.ts'
import { accounts, classrooms, courses, courseTeachers, devices, enrollments, schedules, students } from './schema.ts'

const SCHOOL = 'Demo School'

const ROOMS = [
  { classroom_id: 'LAB-301', name: 'Computer lab 301', building: 'North', capacity: 30 },
  { classroom_id: 'ROOM-204', name: 'Music room 204', building: 'North', capacity: 28 },
  { classroom_id: 'HALL-1', name: 'Great hall', building: 'South', capacity: 120 },
]

/** Taught in LAB-301 hour after hour, in this order. */
const LAB_COURSES = [
  { course_id: 'CS101', course_code: 'CS101', course_name: 'Introduction to Programming', department: 'Computer Science', credits: 5 },
  { course_id: 'MA110', course_code: 'MA110', course_name: 'Discrete Mathematics', department: 'Mathematics', credits: 5 },
  { course_id: 'CS205', course_code: 'CS205', course_name: 'Databases', department: 'Computer Science', credits: 7.5 },
  { course_id: 'PH120', course_code: 'PH120', course_name: 'Physics with Experiments', department: 'Science', credits: 5 },
] as const

/** Taught in ROOM-204 on weekdays, so that a school with a free room can be seen too. */
const MUSIC = { course_id: 'MU140', course_code: 'MU140', course_name: 'Choir and Ensemble', department: 'Music', credits: 2.5 }
const MUSIC_HOURS = [9, 13]
const MUSIC_STUDENTS = 12

const NAMES = [
  'Amina Yusuf', 'Lukas Lindqvist', 'Mei Tanaka', 'Oskar Nowak', 'Priya Raman', 'Diego Herrera', 'Freja Holm', 'Kwame Mensah',
  'Leila Haddad', 'Noah Bergman', 'Sofia Petrova', 'Tariq Aziz', 'Elif Demir', 'Jonas Virtanen', 'Chloe Martin', 'Minh Tran',
  'Zara Okafor', 'Mateo Silva', 'Hanna Eriksson', 'Ravi Kapoor', 'Ines Ferreira', 'Samuel Cohen', 'Yuna Park', 'Aleksander Kowalski',
]

/** The timetable begins so long before `now`: yesterday's last lesson may still be on. */
const DAYS_BEFORE = 1

export interface DemoSchool {
  now: Date
  timeZone: string
  /** Opens LAB-301's kiosk. */
  deviceKey: string
  /** Of the account "office". */
  officePassword: string
  /** Of "teacher", who teaches what is taught in LAB-301; undefined: there is none. */
  teacherPassword?: string | undefined
  /** Of "privacy", the privacy officer; undefined: there is none. */
  privacyPassword?: string | undefined
}

/** Only into a database without a school; true if it wrote one. */
export async function seedDemoSchool(db: Database, { now, timeZone, deviceKey, officePassword, teacherPassword, privacyPassword }: DemoSchool): Promise<boolean> {
  const [school] = await db.sql`SELECT name FROM school`
  if (school) return false
  const passwords = [['office', officePassword], ['teacher', teacherPassword], ['privacy', privacyPassword]] as const
  const people = await Promise.all(passwords.map(async ([role, password]) => ({ username: role, role, password_hash: password === undefined ? undefined : await hashPassword(password) })))
  const seeded = await db.orm.transaction(async (tx) => {
    // Of two servers that start on an empty database, one writes the school.
    const [written] = await tx.execute<{ effective_from: string }>(sql`
      INSERT INTO school (name, time_zone) VALUES (${SCHOOL}, ${timeZone}) ON CONFLICT DO NOTHING
      RETURNING ((${now.toISOString()}::timestamptz AT TIME ZONE time_zone)::date - ${DAYS_BEFORE}::integer)::text AS effective_from`)
    if (!written) return false
    const { effective_from } = written
    await tx.insert(classrooms).values(ROOMS)
    await tx.insert(courses).values([...LAB_COURSES, MUSIC])
    const pupils = NAMES.map((name, i) => {
      const [first_name = '', last_name = ''] = name.split(' ')
      return { student_id: `S${String(i + 1).padStart(3, '0')}`, first_name, last_name, email: `${first_name}.${last_name}@school.example`.toLowerCase() }
    })
    await tx.insert(students).values(pupils)
    const enrolled_from = new Date(now.getTime() - (DAYS_BEFORE + 2) * 86_400_000).toISOString()
    const taking = [...LAB_COURSES.map(({ course_id }) => ({ course_id, who: pupils })), { course_id: MUSIC.course_id, who: pupils.slice(0, MUSIC_STUDENTS) }]
    await tx.insert(enrollments).values(taking.flatMap(({ course_id, who }) => who.map(({ student_id }) => ({ student_id, course_id, enrolled_from }))))
    await tx.insert(schedules).values([...labTimetable(), ...musicTimetable()].map((lesson) => ({ ...lesson, effective_from })))
    await tx.insert(devices).values({ device_id: 'pi-lab301', classroom_id: 'LAB-301', key_sha256: keyHash(deviceKey) })
    const made = await tx
      .insert(accounts)
      .values(people.flatMap(({ username, role, password_hash }) => (password_hash === undefined ? [] : [{ username, role, password_hash }])))
      .returning({ account_id: accounts.account_id, role: accounts.role })
    const teaching = made.filter(({ role }) => role === 'teacher').flatMap(({ account_id }) => LAB_COURSES.map(({ course_id }) => ({ account_id, course_id })))
    if (teaching.length > 0) await tx.insert(courseTeachers).values(teaching)
    return true
  })
  // Autovacuum leaves tables of so few rows alone, and the planner would take the one school for hundreds.
  if (seeded) await db.sql`ANALYZE school, students, courses, classrooms, enrollments, schedules, devices`
  return seeded
}

const DAYS = [1, 2, 3, 4, 5, 6, 7]
const HOURS = Array.from({ length: 24 }, (_, hour) => hour)

/** Every hour of the week; the last of a day ends at the next day's midnight. */
function labTimetable() {
  return DAYS.flatMap((day) =>
    HOURS.map((hour) => {
      const course = LAB_COURSES[(day * 24 + hour) % LAB_COURSES.length] ?? LAB_COURSES[0]
      return { course_id: course.course_id, classroom_id: 'LAB-301', day_of_week: day, start_time: onTheHour(hour), end_time: onTheHour(hour + 1) }
    }),
  )
}

function musicTimetable() {
  return DAYS.slice(0, 5).flatMap((day) =>
    MUSIC_HOURS.map((hour) => ({ course_id: MUSIC.course_id, classroom_id: 'ROOM-204', day_of_week: day, start_time: onTheHour(hour), end_time: onTheHour(hour + 1) })),
  )
}

function onTheHour(hour: number): string {
  return `${String(hour % 24).padStart(2, '0')}:00`
}
