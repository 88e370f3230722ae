/** Accounts as the office keeps them, and what everybody does about their own: password and second factor. */
import { z } from 'zod'
import { CourseId, Instant, StudentId } from './ids.ts'
import { AccountRole, SecondFactorCode, SignIn } from './people.ts'

export const AccountId = z.int().min(1).max(2_147_483_647)

/** What somebody types to sign in: a short name, or their e-mail address. */
export const Username = z
  .string()
  .trim()
  .max(64, 'must be at most 64 characters')
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}._@+'-]*$/u, 'must begin with a letter or digit and hold only letters, digits and . _ @ + \' -')

export const MIN_PASSWORD_LENGTH = 10
const SHORTEST_VARIETY = 5

/** A password of one's own choice. Long is what counts: no rule about capitals or signs. */
export const ChosenPassword = z
  .string()
  .min(MIN_PASSWORD_LENGTH, `must be at least ${MIN_PASSWORD_LENGTH} characters`)
  .max(200, 'must be at most 200 characters')
  .refine((password) => new Set(password).size >= SHORTEST_VARIETY, `must hold at least ${SHORTEST_VARIETY} different characters`)

export const Account = z.object({
  account_id: AccountId,
  username: z.string(),
  role: AccountRole,
  /** Of a student's account: whose it is. */
  student_id: StudentId.nullable(),
  /** By which the school's own login finds the account. */
  email: z.string().nullable(),
  /** Of a teacher: what they may see and correct. */
  course_ids: z.array(CourseId),
  disabled_at: Instant.nullable(),
  /** False: signs in by the school's own login alone. */
  has_password: z.boolean(),
  second_factor: z.boolean(),
  /** Each stands for one code of the second factor, once. */
  recovery_codes_left: z.int(),
  /** Whether the school's own login has opened it before. */
  school_login: z.boolean(),
  /** Sessions that are open now. */
  sessions: z.int(),
})
export type Account = z.infer<typeof Account>

/** Answer of `GET /api/v1/accounts`: the office's, by name. */
export const Accounts = z.object({
  accounts: z.array(Account),
  /** Whether the school has a login of its own. */
  school_login: z.boolean(),
})
export type Accounts = z.infer<typeof Accounts>

const Whose = {
  role: AccountRole,
  student_id: StudentId.nullable().default(null),
  email: z.email('must be an e-mail address').max(254).nullable().default(null),
  course_ids: z.array(CourseId).max(500, 'must hold at most 500 courses').default([]),
}

interface Whose {
  role: AccountRole
  student_id: string | null
  course_ids: string[]
}

function fits({ value: { role, student_id, course_ids }, issues }: z.core.ParsePayload<Whose>): void {
  const fault = (field: string, message: string): void => void issues.push({ code: 'custom', path: [field], message, input: field })
  if (role === 'student' && student_id === null) fault('student_id', 'must name the student whose account it is')
  if (role !== 'student' && student_id !== null) fault('student_id', 'must be null: only a student\'s account is a student\'s')
  if (role !== 'teacher' && course_ids.length > 0) fault('course_ids', 'must be empty: only a teacher teaches courses')
}

/** Body of `POST /api/v1/accounts`. `sign_in: password`: one is made, and told once; `school`: by the school's own login alone. */
export const NewAccountRequest = z.object({ username: Username, ...Whose, sign_in: z.enum(['password', 'school']).default('password') }).check(fits)
export type NewAccountRequest = z.infer<typeof NewAccountRequest>

/** Body of `PUT /api/v1/accounts/{id}`: all that the office decides, replaced whole. Another role, or disabling, ends every session and token. */
export const AccountRequest = z.object({ ...Whose, disabled: z.boolean() }).check(fits)
export type AccountRequest = z.infer<typeof AccountRequest>

/** The only answer that ever holds the password; null: the account has none. */
export const NewAccount = z.object({ password: z.string().nullable(), account: Account })
export type NewAccount = z.infer<typeof NewAccount>

/** Answer of `GET /api/v1/account`: one's own. */
export const MyAccount = Account

const PasswordNow = z.string().min(1, 'must be the password you have now').max(200)

/** Body of `PUT /api/v1/account/password`: ends every other session and token of the account. */
export const PasswordRequest = z.object({ password_now: PasswordNow, password: ChosenPassword })
export type PasswordRequest = z.infer<typeof PasswordRequest>

/** Body of `POST /api/v1/account/second-factor`: begins to set one up; it counts from its first code on. */
export const SecondFactorRequest = z.object({ password_now: PasswordNow })

/** `uri`: what the QR code says to the app (otpauth:). `secret`: the same for typing it, in base32. The only answer that ever holds it. */
export const SecondFactorStart = z.object({ secret: z.string(), uri: z.string(), qr_svg: z.string() })
export type SecondFactorStart = z.infer<typeof SecondFactorStart>

/** Body of `PUT /api/v1/account/second-factor`: the first code, which shows that the app has it right. */
export const SecondFactorConfirmation = z.object({ code: SecondFactorCode })

/** The only answer that ever holds them. */
export const RecoveryCodes = z.object({ recovery_codes: z.array(z.string()), account: Account })
export type RecoveryCodes = z.infer<typeof RecoveryCodes>

/** Body of `POST /api/v1/account/second-factor/removal`. */
export const SecondFactorRemoval = z.object({ password_now: PasswordNow, code: SecondFactorCode })

/** Body of `POST /api/v1/token` for who brings no session: as for signing in. */
export const TokenRequest = SignIn

/** Answer of `POST /api/v1/token`: to be sent as `Authorization: Bearer`. */
export const Token = z.object({ token: z.string(), token_type: z.literal('Bearer'), expires_at: Instant, role: AccountRole })
export type Token = z.infer<typeof Token>

/** Answer of `GET /api/v1/sign-in`: how one may sign in here. */
export const SignInWays = z.object({ school_login: z.boolean() })
export type SignInWays = z.infer<typeof SignInWays>

/** Why the school's own login did not let somebody in: `/office?sign-in=...`. */
export const signInFaults = ['away', 'refused', 'too_late', 'no_account', 'disabled', 'role'] as const
export const SignInFault = z.enum(signInFaults)
export type SignInFault = z.infer<typeof SignInFault>
