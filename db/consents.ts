/** The consent ledger: the words, who agreed to them, how and until when. Knows no template: a trigger erases them with the consent. */
import type { ConsentEntry, Consents, ConsentText, ConsentTextRequest, StudentConsents, TextRef } from '#contract/consent'
import type postgres from 'postgres'
import type { Database } from './connect.ts'
import { iso } from './registers.ts'
import { storable } from './storable.ts'

type Sql = postgres.Sql | postgres.TransactionSql

/** One of `text` and `statement`. */
export interface NewConsent {
  text?: TextRef | undefined
  statement?: string | undefined
  given_by: string
  giver?: 'student' | 'guardian' | undefined
  relationship?: string | undefined
  way?: 'paper' | 'screen' | undefined
  /** Default: now. */
  given_at?: string | undefined
}

/** `guardian_required`: one must consent for this student, and it was not said that one did. In all cases but `recorded` nothing was written. */
export type SavedConsent = 'recorded' | 'unchanged' | 'unknown_student' | 'unknown_text' | 'guardian_required'

/**
 * Puts a consent on record. The same words by the same person again change nothing; others take the place of those in force,
 * and the templates stay. @param by as the audit log names them
 */
export async function saveConsent(db: Database, studentId: string, consent: NewConsent, now: Date, by = 'unknown'): Promise<SavedConsent> {
  const given = {
    given_by: storable(consent.given_by),
    giver: consent.giver ?? null,
    relationship: storable(consent.relationship ?? ''),
    way: consent.way ?? null,
    at: consent.given_at ?? now.toISOString(),
    recorded: now.toISOString(),
  }
  return db.sql.begin(async (sql): Promise<SavedConsent> => {
    // The student's row is the lock: two consents at once go through one after the other.
    const [known] = await sql<{ guardian_required: boolean }[]>`
      SELECT coalesce(s.guardian_required, (SELECT guardian_required FROM school), false) AS guardian_required
      FROM students s WHERE s.student_id = ${studentId} AND s.erased_at IS NULL FOR NO KEY UPDATE`
    if (!known) return 'unknown_student'
    if (known.guardian_required && given.giver !== 'guardian') return 'guardian_required'
    const text = await textOf(sql, consent, given.recorded)
    if (!text) return 'unknown_text'
    const [same] = await sql`
      SELECT FROM consents WHERE student_id = ${studentId} AND withdrawn_at IS NULL
        AND (text_id, text_version, language) = (${text.text_id}, ${text.version}, ${text.language})
        AND (given_by, relationship) = (${given.given_by}, ${given.relationship})
        AND giver IS NOT DISTINCT FROM ${given.giver}::text AND way IS NOT DISTINCT FROM ${given.way}::text`
    if (same) return 'unchanged'
    await sql`UPDATE consents SET withdrawn_at = ${given.recorded}::timestamptz, withdrawn_by = ${by} WHERE student_id = ${studentId} AND withdrawn_at IS NULL`
    await sql`
      INSERT INTO consents (student_id, statement, text_id, text_version, language, given_by, giver, relationship, way, given_at, recorded_at, recorded_by)
      VALUES (${studentId}, ${text.words}, ${text.text_id}, ${text.version}, ${text.language}, ${given.given_by}, ${given.giver}, ${given.relationship}, ${given.way},
        ${given.at}::timestamptz, ${given.recorded}::timestamptz, ${by})`
    return 'recorded'
  }) as Promise<SavedConsent>
}

/** Words without a text make one of their own. Undefined: there is no such text. */
async function textOf(sql: Sql, { text, statement }: NewConsent, at: string): Promise<(TextRef & { words: string }) | undefined> {
  if (text === undefined) {
    const [own] = await sql<(TextRef & { words: string })[]>`SELECT text_id, version, language, words FROM own_words(${storable(statement ?? '')}, ${at}::timestamptz)`
    return own
  }
  const [found] = await sql<(TextRef & { words: string })[]>`
    SELECT text_id, version, language, words FROM consent_texts WHERE text_id = ${text.text_id} AND version = ${text.version} AND language = ${text.language}`
  return found
}

/** Ends the consent in force and erases every template, in one transaction; the consent's row stays. `none`: there was none in force. */
export async function withdrawConsent(db: Database, studentId: string, now: Date, by = 'unknown'): Promise<'withdrawn' | 'none' | 'unknown_student'> {
  return db.sql.begin(async (sql) => {
    const [known] = await sql`SELECT student_id FROM students WHERE student_id = ${studentId} AND erased_at IS NULL FOR NO KEY UPDATE`
    if (!known) return 'unknown_student'
    // Triggers erase the templates at the commit and note which kiosks must forget them, as they do for whoever withdraws by SQL.
    const ended = await sql`UPDATE consents SET withdrawn_at = ${now.toISOString()}::timestamptz, withdrawn_by = ${by} WHERE student_id = ${studentId} AND withdrawn_at IS NULL`
    await sql`DELETE FROM templates WHERE student_id = ${studentId}`
    return ended.count > 0 ? 'withdrawn' : 'none'
  }) as Promise<'withdrawn' | 'none' | 'unknown_student'>
}

// ---------- the words ----------

/** Of each text and language the newest version; own words are offered to nobody. */
export async function consentTexts({ sql }: Database): Promise<{ texts: ConsentText[]; guardian_required: boolean }> {
  const texts = await sql<ConsentText[]>`
    SELECT DISTINCT ON (text_id, language) text_id, version, language, words, ${iso(sql, sql`made_at`)} AS made_at, made_by
    FROM consent_texts WHERE text_id <> 'own-words' ORDER BY text_id, language, version DESC`
  const [school] = await sql<{ guardian_required: boolean }[]>`SELECT guardian_required FROM school`
  return { texts, guardian_required: school?.guardian_required ?? false }
}

/** The next version; the same words as the newest one's add none. */
export async function addConsentText(db: Database, { text_id, language, words }: ConsentTextRequest, now: Date, by: string): Promise<{ text: TextRef; added: boolean }> {
  return db.sql.begin(async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('fastrackai.consent_texts'))`
    const [newest] = await sql<{ version: number; words: string }[]>`
      SELECT version, words FROM consent_texts WHERE text_id = ${text_id} AND language = ${language} ORDER BY version DESC LIMIT 1`
    const said = storable(words)
    if (newest?.words === said) return { text: { text_id, version: newest.version, language }, added: false }
    const version = (newest?.version ?? 0) + 1
    await sql`INSERT INTO consent_texts (text_id, version, language, words, made_at, made_by) VALUES (${text_id}, ${version}, ${language}, ${said}, ${now.toISOString()}::timestamptz, ${by})`
    return { text: { text_id, version, language }, added: true }
  }) as Promise<{ text: TextRef; added: boolean }>
}

export async function saveConsentSettings({ sql }: Database, guardianRequired: boolean): Promise<void> {
  await sql`UPDATE school SET guardian_required = ${guardianRequired} WHERE guardian_required <> ${guardianRequired}`
}

/** Whether a guardian must consent for this student; null: as the school says. False: no such student. */
export async function saveGuardianRequired({ sql }: Database, studentId: string, required: boolean | null): Promise<boolean> {
  const changed = await sql`UPDATE students SET guardian_required = ${required} WHERE student_id = ${studentId} AND erased_at IS NULL`
  return changed.count > 0
}

// ---------- the ledger ----------

function entryOf(sql: Sql) {
  return sql`json_build_object(
    'consent_id', c.consent_id, 'text', json_build_object('text_id', c.text_id, 'version', c.text_version, 'language', c.language), 'statement', c.statement,
    'giver', c.giver, 'given_by', c.given_by, 'relationship', c.relationship, 'way', c.way, 'given_at', ${iso(sql, sql`c.given_at`)},
    'recorded_at', ${iso(sql, sql`c.recorded_at`)}, 'recorded_by', c.recorded_by, 'withdrawn_at', ${iso(sql, sql`c.withdrawn_at`)}, 'withdrawn_by', c.withdrawn_by)`
}

/** The newest first. Undefined: no such student. */
export async function consentsOf({ sql }: Database, studentId: string): Promise<StudentConsents | undefined> {
  const [student] = await sql<{ guardian_required: boolean; consents: ConsentEntry[] }[]>`
    SELECT coalesce(s.guardian_required, (SELECT guardian_required FROM school), false) AS guardian_required,
      (SELECT coalesce(json_agg(${entryOf(sql)} ORDER BY c.recorded_at DESC, c.consent_id DESC), '[]') FROM consents c WHERE c.student_id = s.student_id) AS consents
    FROM students s WHERE s.student_id = ${studentId} AND s.erased_at IS NULL`
  return student && { student_id: studentId, ...student }
}

/** Students by id, with the consent in force. @param search part of an id or a name; empty: all */
export async function consentsOfSchool({ sql }: Database, { search, after, limit }: { search: string; after?: string | undefined; limit: number }): Promise<Consents> {
  const part = `%${search.replace(/[\\%_]/g, '\\$&')}%`
  const [school] = await sql<{ time_zone: string }[]>`SELECT time_zone FROM school`
  const rows = await sql<Consents['students'][number][]>`
    SELECT s.student_id, s.first_name, s.last_name, coalesce(s.guardian_required, (SELECT guardian_required FROM school), false) AS guardian_required,
      (SELECT ${entryOf(sql)} FROM consents c WHERE c.student_id = s.student_id AND c.withdrawn_at IS NULL) AS consent,
      (SELECT count(*)::integer FROM templates t WHERE t.student_id = s.student_id) AS templates
    FROM students s
    WHERE s.erased_at IS NULL AND (${after ?? null}::text IS NULL OR s.student_id::text COLLATE "C" > ${after ?? null}::text)
      AND (s.student_id ILIKE ${part} OR s.first_name || ' ' || s.last_name ILIKE ${part})
    ORDER BY s.student_id::text COLLATE "C" LIMIT ${limit + 1}`
  return { time_zone: school?.time_zone ?? 'UTC', students: rows.slice(0, limit), more: rows.length > limit }
}
