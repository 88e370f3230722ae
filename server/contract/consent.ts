/**
 * The consent ledger, and what follows from it: the words that people agree to, who agreed and how, what was erased, which
 * kiosks have forgotten it, and for how long each kind of data is kept.
 */
import { z } from 'zod'
import { DeviceId, Instant, StudentId, Uuid } from './ids.ts'

/** BCP 47, such as en or sv-FI. */
export const Language = z.string().max(35, 'must be at most 35 characters').regex(/^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$/, 'must be a language tag such as en or sv-FI')
export const ConsentWords = z.string().trim().min(3, 'must say what was agreed to').max(2000, 'must be at most 2000 characters')

/** Names one text: its words in one language and version never change. */
export const TextRef = z.object({ text_id: StudentId, version: z.int().min(1).max(1_000_000), language: Language })
export type TextRef = z.infer<typeof TextRef>

export const ConsentText = TextRef.extend({ words: z.string(), made_at: Instant, made_by: z.string() })
export type ConsentText = z.infer<typeof ConsentText>

/** Words that came with a consent itself are kept under this text_id, and are offered to nobody else. */
export const OWN_WORDS = 'own-words'

/** Answer of `GET /api/v1/consent-texts`: of each text and language the newest version. */
export const ConsentTexts = z.object({
  texts: z.array(ConsentText),
  /** Whether a guardian must consent for students of whom nothing else is said. */
  guardian_required: z.boolean(),
})
export type ConsentTexts = z.infer<typeof ConsentTexts>

/** Body of `POST /api/v1/consent-texts`: other words for a text are its next version; consents to the older one stay what they are. */
export const ConsentTextRequest = z.object({
  text_id: StudentId.refine((id) => id !== OWN_WORDS, `must not be ${OWN_WORDS}, which is kept for words that came with a consent`),
  language: Language,
  words: ConsentWords,
})
export type ConsentTextRequest = z.infer<typeof ConsentTextRequest>

/** Body of `PUT /api/v1/consent-settings`. */
export const ConsentSettings = z.object({ guardian_required: z.boolean() })
export type ConsentSettings = z.infer<typeof ConsentSettings>

/** Body of `PUT /api/v1/students/{id}/guardian`: whether a guardian must consent for this student; null: as the school says. */
export const GuardianRequest = z.object({ required: z.boolean().nullable() })
export type GuardianRequest = z.infer<typeof GuardianRequest>

export const Giver = z.enum(['student', 'guardian'])
export type Giver = z.infer<typeof Giver>

/** `paper`: a signed form lies with the school. `screen`: they read it on the office's screen and said yes. */
export const ConsentWay = z.enum(['paper', 'screen'])
export type ConsentWay = z.infer<typeof ConsentWay>

/** Body of `PUT /api/v1/students/{id}/consent`: one of `text` and `statement`. `DELETE` withdraws it and erases every template. */
export const ConsentRequest = z
  .object({
    /** The text that was agreed to. */
    text: TextRef.optional(),
    /** Other words that were agreed to. */
    statement: ConsentWords.optional(),
    /** The name of who agreed: the student or, where needed, the guardian. */
    given_by: z.string().trim().min(1, 'must name who gave it').max(200),
    /** Absent: not told; refused where a guardian is needed. */
    giver: Giver.optional(),
    /** Of a guardian: to the student, such as mother. */
    relationship: z.string().trim().max(100, 'must be at most 100 characters').default(''),
    way: ConsentWay.optional(),
    /** When it was given; absent: now. */
    given_at: Instant.optional(),
  })
  .superRefine(({ text, statement, giver, relationship }, context) => {
    const fault = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message })
    if (text === undefined && statement === undefined) fault('text', 'must name the text that was agreed to, or send its words as statement')
    if (text !== undefined && statement !== undefined) fault('statement', 'must be left out where text names the words')
    if (giver === 'guardian' && relationship === '') fault('relationship', 'must say who the guardian is to the student, such as mother')
  })
/** As it is sent. */
export type ConsentRequest = z.input<typeof ConsentRequest>

/** One row of the ledger. */
export const ConsentEntry = z.object({
  consent_id: z.int(),
  text: TextRef,
  /** The words themselves. */
  statement: z.string(),
  /** Null: it was not told. */
  giver: Giver.nullable(),
  given_by: z.string(),
  relationship: z.string(),
  way: ConsentWay.nullable(),
  given_at: Instant,
  recorded_at: Instant,
  /** As the audit log names them. */
  recorded_by: z.string(),
  /** Null: in force. */
  withdrawn_at: Instant.nullable(),
  withdrawn_by: z.string().nullable(),
})
export type ConsentEntry = z.infer<typeof ConsentEntry>

/** Answer of `GET /api/v1/students/{id}/consents`, the newest first. */
export const StudentConsents = z.object({ student_id: StudentId, guardian_required: z.boolean(), consents: z.array(ConsentEntry) })
export type StudentConsents = z.infer<typeof StudentConsents>

/** Query of `GET /api/v1/consents`. */
export const ConsentsQuery = z.object({
  /** Part of an id or a name. */
  search: z.string().trim().max(100).default(''),
  /** Students after this id: the last of the page before. */
  after: StudentId.optional(),
  limit: z.coerce.number().pipe(z.int().min(1).max(200)).default(50),
})

/** Answer of `GET /api/v1/consents`: students by id, with the consent in force. */
export const Consents = z.object({
  time_zone: z.string(),
  students: z.array(
    z.object({
      student_id: StudentId,
      first_name: z.string(),
      last_name: z.string(),
      guardian_required: z.boolean(),
      consent: ConsentEntry.nullable(),
      /** How many are on record; never the templates themselves. */
      templates: z.int().min(0),
    }),
  ),
  more: z.boolean(),
})
export type Consents = z.infer<typeof Consents>

/** Templates of a kiosk that has heard nothing for so long lapse by themselves. Agrees with TEMPLATES_LAPSE_AFTER_MS of the kiosk. */
export const TEMPLATES_LAPSE_AFTER_DAYS = 7

/**
 * Templates that were erased on the server, and whether each kiosk that was paired at that time has forgotten them.
 * `told`: it holds a newer roster, or none. `lapsed`: its templates lapsed before it told. `revoked`: it has no key any more.
 */
export const Forgetting = z.object({
  forgetting_id: z.int(),
  kind: z.enum(['withdrawal', 'biometrics', 'person', 'retention']),
  /** Null: several students, or one who was erased. */
  student_id: StudentId.nullable(),
  forgotten_at: Instant,
  asked_by: z.string(),
  certificate_id: Uuid.nullable(),
  /** n of m. */
  confirmed: z.int().min(0),
  kiosks: z.array(
    z.object({
      device_id: DeviceId,
      room_id: z.string(),
      /** Null: not yet. */
      how: z.enum(['told', 'lapsed', 'revoked']).nullable(),
      /** When it told; null for every other way. */
      confirmed_at: Instant.nullable(),
      last_seen_at: Instant.nullable(),
    }),
  ),
})
export type Forgetting = z.infer<typeof Forgetting>

/** Answer of `GET /api/v1/forgettings`, the newest first, at most a hundred. */
export const Forgettings = z.object({ now: Instant, time_zone: z.string(), forgettings: z.array(Forgetting) })
export type Forgettings = z.infer<typeof Forgettings>

/** What becomes of an erased person's marks: kept for the lessons' registers under a name that leads to nobody, or deleted, too. */
export const MarksFate = z.enum(['pseudonym', 'delete'])
export type MarksFate = z.infer<typeof MarksFate>

/**
 * Body of `POST /api/v1/students/{id}/erasure`. `biometrics`: consent is withdrawn, and everything made of the face goes. `person`: that,
 * and the name, address, PIN, card, account and everything else that leads to the person.
 */
export const ErasureRequest = z.object({
  scope: z.enum(['biometrics', 'person']),
  marks: MarksFate.default('pseudonym'),
  /** Made by who asks: the same again erases nothing more, and answers with the same certificate. */
  request_id: Uuid.optional(),
})
export type ErasureRequest = z.input<typeof ErasureRequest>

/** Proof of a deletion; its id is all that leads to it. */
export const Certificate = z.object({
  /** Also in the audit log, with the deletion's entry. */
  certificate_id: Uuid,
  kind: z.enum(['biometrics', 'person', 'retention']),
  /** Whose templates were erased; null for a person who was erased. */
  student_id: StudentId.nullable(),
  made_at: Instant,
  made_by: z.string(),
  /** Rows erased, by kind of data. */
  counts: z.record(z.string(), z.int().min(0)),
  marks: MarksFate.nullable(),
  /** Null where kiosks had nothing to forget. */
  forgetting: Forgetting.nullable(),
})
export type Certificate = z.infer<typeof Certificate>

/** Query of `GET /api/v1/certificates`. */
export const CertificatesQuery = z.object({ limit: z.coerce.number().pipe(z.int().min(1).max(200)).default(50) })

/** Answer of `GET /api/v1/certificates`, the newest first. */
export const Certificates = z.object({ school: z.string(), time_zone: z.string(), certificates: z.array(Certificate) })
export type Certificates = z.infer<typeof Certificates>

/** Kinds of data whose time the privacy officer sets, in days. */
export const RetentionKind = z.enum(['templates', 'templates_of_leavers', 'consents', 'set_aside', 'sessions', 'alarms', 'audit'])
export type RetentionKind = z.infer<typeof RetentionKind>

/** The audit log is kept for a year at least. */
export const AUDIT_DAYS_LEAST = 365

/** Body of `PUT /api/v1/retention-schedule`. */
export const RetentionRequest = z
  .object({ kind: RetentionKind, days: z.int().min(1, 'must be at least 1 day').max(36_500, 'must be at most 36500 days').nullable() })
  .superRefine(({ kind, days }, context) => {
    if (kind === 'audit' && days !== null && days < AUDIT_DAYS_LEAST) context.addIssue({ code: 'custom', path: ['days'], message: `must be at least ${AUDIT_DAYS_LEAST} for the audit log` })
    if (kind.startsWith('templates') && days === null) context.addIssue({ code: 'custom', path: ['days'], message: 'must be a number of days: templates expire' })
  })
export type RetentionRequest = z.infer<typeof RetentionRequest>

/** Answer of `GET /api/v1/retention-schedule`, which anybody may read. */
export const RetentionSchedule = z.object({
  school: z.string(),
  kinds: z.array(
    z.object({
      kind: z.string(),
      /** What is kept. */
      what: z.string(),
      /** Null together with `months`: for good, or as `counted_from` says. */
      days: z.int().nullable(),
      months: z.int().nullable(),
      /** From when its time is counted. */
      counted_from: z.string(),
      /** Whether the privacy officer sets it. */
      settable: z.boolean(),
    }),
  ),
})
export type RetentionSchedule = z.infer<typeof RetentionSchedule>
