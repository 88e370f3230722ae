/** The audit log: who did what to whom, from a closed list, without a name, key, PIN or template in it. */
import { z } from 'zod'
import { Instant } from './ids.ts'

/** What is put on record. One word each; what it was done to is the entry's subject. */
export const auditActions = [
  /** A schedule with templates was sent to a device: `room`, `students`, `templates`, `etag`. */
  'templates_read',
  /** A face was compared with one student's templates: `match`. */
  'templates_verified',
  'templates_saved',
  'biometrics_erased',
  'person_erased',
  'exported',
  'correction_made',
  /** A teacher said whether a sampled mark was right: `answer`. */
  'mark_checked',
  'consent_given',
  'consent_withdrawn',
  'consent_text_added',
  'consent_settings_changed',
  'signed_in',
  'sign_in_failed',
  'signed_out',
  'token_given',
  'account_made',
  'account_changed',
  'account_removed',
  'second_factor_changed',
  'course_teachers_changed',
  'device_pairing_code_made',
  'device_paired',
  'device_key_wanted',
  'device_key_rotated',
  'device_revoked',
  'fence_cleared',
  'alarm_closed',
  'room_changed',
  'policy_changed',
  'retention_changed',
  'retention_applied',
  'school_key_rotated',
  'matrix_rotated',
  'set_aside_recorded',
  'set_aside_dismissed',
  'pin_set',
  'pin_removed',
  'card_made',
  'card_removed',
  'student_saved',
  'enrolment_changed',
  'look_alike_confirmed',
  /** The log's own: rows up to `through` are taken away, the last of which has the digest `hash`. */
  'audit_pruned',
  /** The log's own: from here on rows carry another key's codes. */
  'audit_key_changed',
] as const
export const AuditAction = z.enum(auditActions)
export type AuditAction = z.infer<typeof AuditAction>

const named = '[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}'
/** What an account may be called. */
const account = '[^\\p{Cc}\\p{Cs}]{1,100}'

/** `device:pi-1`, `account:office`, `command:encode`, `script` (the API key), `server` (its daily work), `anonymous` (not signed in). */
export const AuditActor = z.string().regex(new RegExp(`^(?:(?:device|command):${named}|account:${account}|script|server|anonymous)$`, 'u'), 'must be device:, account: or command: with an id, or script, server or anonymous')

/** `student:S001`, `device:pi-1`, ..., or `school` for what concerns all of it. */
export const AuditSubject = z.string().regex(new RegExp(`^(?:(?:student|device|room|course|lesson|set_aside|alarm|pairing|certificate):${named}|account:${account}|school|audit)$`, 'u'), 'must be such as student:S001, device:pi-1, room:LAB-301, course:CS101, account:office, school')

const Detail = z.union([z.string().max(200), z.number(), z.boolean(), z.null(), z.array(z.string().max(200)).max(200)])
/** Ids, counts and words of ours; what people typed stays where it was typed. */
export const AuditDetails = z.record(z.string().regex(/^[a-z][a-z0-9_]{0,39}$/), Detail)
export type AuditDetails = z.infer<typeof AuditDetails>

/** What somebody wants put on record. */
export const AuditEvent = z.strictObject({ actor: AuditActor, action: AuditAction, subject: AuditSubject, details: AuditDetails.default({}) })
export type AuditEvent = z.input<typeof AuditEvent>

/** One row. */
export const AuditEntry = z.object({
  seq: z.int().min(1),
  at: Instant,
  actor: z.string(),
  /** Of `auditActions`, or one that a later server knows. */
  action: z.string(),
  subject: z.string(),
  details: z.record(z.string(), z.unknown()),
})
export type AuditEntry = z.infer<typeof AuditEntry>

/** Query of `GET /api/v1/audit`: `from` inclusive and `to` exclusive; `actor` and `subject` are matched whole. */
export const AuditQuery = z.object({
  limit: z.coerce.number().pipe(z.int().min(1).max(500)).default(100),
  /** Only older ones than this seq: the last of the page before. */
  before: z.coerce.number().pipe(z.int().min(1).max(Number.MAX_SAFE_INTEGER)).optional(),
  actor: AuditActor.optional(),
  action: AuditAction.optional(),
  subject: AuditSubject.optional(),
  from: Instant.optional(),
  to: Instant.optional(),
})
export type AuditQuery = z.infer<typeof AuditQuery>

/** Answer of `GET /api/v1/audit`: the newest first. */
export const AuditLog = z.object({
  now: Instant,
  time_zone: z.string(),
  entries: z.array(AuditEntry),
  /** Whether older ones match, too. */
  more: z.boolean(),
})
export type AuditLog = z.infer<typeof AuditLog>
