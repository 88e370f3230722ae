/**
 * The tables as drizzle's queries see them. They are made by migrations/, by hand: drizzle knows no
 * PARTITION BY, no triggers and no comments. Never push or generate from this file.
 */
import { sql } from 'drizzle-orm'
import { bigint, customType, date, doublePrecision, integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'

/** timestamptz as ISO text on the way in; read instants with `iso()` so that they come out as they travel. */
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' })

const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

export const students = pgTable('students', {
  student_id: text('student_id').primaryKey(),
  first_name: text('first_name').notNull(),
  last_name: text('last_name').notNull(),
  email: text('email'),
})

export const courses = pgTable('courses', {
  course_id: text('course_id').primaryKey(),
  course_code: text('course_code').notNull(),
  course_name: text('course_name').notNull(),
  department: text('department').notNull().default(''),
  credits: doublePrecision('credits').notNull().default(0),
})

export const classrooms = pgTable('classrooms', {
  classroom_id: text('classroom_id').primaryKey(),
  name: text('name').notNull(),
  building: text('building').notNull().default(''),
  capacity: integer('capacity'),
  liveness: text('liveness', { enum: ['off', 'watch', 'require'] }).notNull().default('watch'),
})

export const enrollments = pgTable('enrollments', {
  student_id: text('student_id').notNull(),
  course_id: text('course_id').notNull(),
  enrolled_from: instant('enrolled_from').notNull().defaultNow(),
  enrolled_to: instant('enrolled_to'),
})

export const schedules = pgTable('schedules', {
  schedule_id: text('schedule_id').primaryKey().default(sql`nextval('schedules_schedule_id_seq')::text`),
  course_id: text('course_id').notNull(),
  classroom_id: text('classroom_id').notNull(),
  day_of_week: integer('day_of_week').notNull(),
  start_time: text('start_time').notNull(),
  end_time: text('end_time').notNull(),
  effective_from: date('effective_from', { mode: 'string' }).notNull(),
  effective_to: date('effective_to', { mode: 'string' }),
})

export const devices = pgTable('devices', {
  device_id: text('device_id').primaryKey(),
  classroom_id: text('classroom_id').notNull(),
  key_sha256: bytes('key_sha256').notNull(),
  revoked_at: instant('revoked_at'),
  last_seen_at: instant('last_seen_at'),
  last_heartbeat: jsonb('last_heartbeat'),
})

export const consents = pgTable('consents', {
  consent_id: integer('consent_id').primaryKey().generatedAlwaysAsIdentity(),
  student_id: text('student_id').notNull(),
  statement: text('statement').notNull(),
  given_by: text('given_by').notNull(),
  given_at: instant('given_at').notNull(),
  withdrawn_at: instant('withdrawn_at'),
})

export const templates = pgTable('templates', {
  template_id: uuid('template_id').primaryKey().defaultRandom(),
  student_id: text('student_id').notNull(),
  model: text('model').notNull(),
  sealed: bytes('sealed').notNull(),
  enrolled_at: instant('enrolled_at').notNull(),
})

export const accounts = pgTable('accounts', {
  account_id: integer('account_id').primaryKey().generatedAlwaysAsIdentity(),
  username: text('username').notNull(),
  role: text('role', { enum: ['office', 'teacher', 'privacy', 'student'] }).notNull(),
  password_hash: text('password_hash'),
  student_id: text('student_id'),
  email: text('email'),
  disabled_at: instant('disabled_at'),
  epoch: integer('epoch').notNull().default(0),
  totp_sealed: bytes('totp_sealed'),
  totp_wanted_sealed: bytes('totp_wanted_sealed'),
  totp_step: bigint('totp_step', { mode: 'number' }),
  login_issuer: text('login_issuer'),
  login_subject: text('login_subject'),
})

export const accountRecoveryCodes = pgTable('account_recovery_codes', {
  account_id: integer('account_id').notNull(),
  code_sha256: bytes('code_sha256').notNull(),
})

export const courseTeachers = pgTable('course_teachers', {
  course_id: text('course_id').notNull(),
  account_id: integer('account_id').notNull(),
})

export const sessions = pgTable('sessions', {
  token_sha256: bytes('token_sha256').primaryKey(),
  account_id: integer('account_id').notNull(),
  expires_at: instant('expires_at').notNull(),
})
