/**
 * What the school does with faces at all. Knows no request and no kiosk. That nothing of a face is kept under `no-biometrics`, and that setting it
 * erases what there is in the same transaction, the database keeps by triggers, whoever writes: migrations/0016_policy.sql.
 */
import type { PolicyAnswer, SchoolPolicy } from '#contract/policy'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'
import { storable } from './storable.ts'

/** Before there is a school: `default`. */
export async function schoolPolicy(db: Database): Promise<SchoolPolicy> {
  const [school] = await db.sql<{ policy: SchoolPolicy }[]>`SELECT policy FROM school`
  return school?.policy ?? 'default'
}

export async function policyOnRecord({ sql }: Database): Promise<PolicyAnswer> {
  const [found] = await sql<PolicyAnswer[]>`
    SELECT policy, ${iso(sql, sql`policy_changed_at`)} AS changed_at, policy_changed_by AS changed_by,
      (SELECT count(DISTINCT student_id)::integer FROM templates) AS students_with_templates
    FROM school`
  return found ?? { policy: 'default', changed_at: null, changed_by: null, students_with_templates: 0 }
}

export interface PolicyChange {
  before: SchoolPolicy
  after: SchoolPolicy
  /** Students whose templates it erased. */
  erased: number
}

/**
 * Sets the policy. Undefined: it is that already, and nothing has changed.
 * @param by who, as it is kept beside the policy
 */
export async function savePolicy(db: Database, policy: SchoolPolicy, { by, now }: { by: string; now: Date }): Promise<PolicyChange | undefined> {
  return db.sql.begin(async (sql) => {
    // The trigger takes it, too; here so that what is counted is what is erased.
    await sql`SELECT pg_advisory_xact_lock(policy_lock())`
    const [before] = await sql<{ policy: SchoolPolicy; students: number }[]>`
      SELECT policy, (SELECT count(DISTINCT student_id)::integer FROM templates) AS students FROM school`
    if (!before || before.policy === policy) return undefined
    await sql`UPDATE school SET policy = ${policy}, policy_changed_at = ${now.toISOString()}::timestamptz, policy_changed_by = ${storable(by)}`
    return { before: before.policy, after: policy, erased: policy === 'no-biometrics' ? before.students : 0 }
  }) as Promise<PolicyChange | undefined>
}

/**
 * Nobody sets the policy until this transaction ends. The triggers take this lock too, but only as they come upon a row: who has locked rows of faces by
 * then waits for whoever sets the policy, who waits for those rows to erase them. So it is taken before any of them.
 */
export async function holdPolicy(sql: postgres.TransactionSql): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock_shared(policy_lock())`
}
