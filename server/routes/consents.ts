/** The consent ledger: the words, who agreed to them, withdrawing. What is erased by it and who has forgotten it: privacy.ts. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { z } from 'zod'
import { ConsentRequest, ConsentSettings, ConsentsQuery, ConsentTextRequest, GuardianRequest } from '#contract/consent'
import { StudentId } from '#contract/ids'
import type { Student } from '#contract/people'
import { addConsentText, consentsOf, consentsOfSchool, consentTexts, saveConsent, saveConsentSettings, saveGuardianRequired, withdrawConsent } from '../../db/consents.ts'
import { student } from '../../db/people.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { KnownDate, parse, readJson } from '../request-body.ts'
import { refuseForeignStudent } from '../rights.ts'

/** Clocks differ. */
const AHEAD_MS = 5 * 60_000

export function consentRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, audit } = parts
  const routes = new Hono<AppEnv>()
  const forKeepers = onlyFor(parts, 'script', 'office', 'privacy')
  const forPrivacy = onlyFor(parts, 'privacy')
  const studentIdOf = (c: Context): string => parse(z.object({ student_id: StudentId }), c.req.param()).student_id
  const noStudent = (id: string): Refusal => new Refusal('not_found', `there is no student ${id}`)

  async function knownStudent(id: string): Promise<Student> {
    const known = await student(db, id)
    if (!known) throw noStudent(id)
    return known
  }

  // ---------- the words ----------

  routes.get('/api/v1/consent-texts', forKeepers, async (c) => c.json(await consentTexts(db)))

  routes.post('/api/v1/consent-texts', forPrivacy, async (c) => {
    const wanted = await readJson(c, ConsentTextRequest)
    const actor = actorOf(c.var.identity)
    await together(db, async (inside) => {
      const { text, added } = await addConsentText(inside, wanted, now(), actor)
      if (added) await audit({ actor, action: 'consent_text_added', subject: 'school', details: { ...text } }, inside)
    })
    return c.json(await consentTexts(db))
  })

  routes.put('/api/v1/consent-settings', forPrivacy, async (c) => {
    const { guardian_required } = await readJson(c, ConsentSettings)
    await together(db, async (inside) => {
      await saveConsentSettings(inside, guardian_required)
      await audit({ actor: actorOf(c.var.identity), action: 'policy_changed', subject: 'school', details: { guardian_required } }, inside)
    })
    return c.json(await consentTexts(db))
  })

  // ---------- the ledger ----------

  routes.get('/api/v1/consents', forKeepers, async (c) => c.json(await consentsOfSchool(db, parse(ConsentsQuery, c.req.query()))))

  routes.get('/api/v1/students/:student_id/consents', onlyFor(parts, 'script', 'office', 'privacy', 'student'), async (c) => {
    const id = studentIdOf(c)
    await refuseForeignStudent(db, c.var.identity, id)
    const ledger = await consentsOf(db, id)
    if (!ledger) throw noStudent(id)
    return c.json(ledger)
  })

  routes.put('/api/v1/students/:student_id/guardian', forKeepers, async (c) => {
    const id = studentIdOf(c)
    const { required } = await readJson(c, GuardianRequest)
    await together(db, async (inside) => {
      if (!(await saveGuardianRequired(inside, id, required))) throw noStudent(id)
      await audit({ actor: actorOf(c.var.identity), action: 'student_saved', subject: `student:${id}`, details: { guardian_required: required } }, inside)
    })
    return c.json(await knownStudent(id))
  })

  routes.put('/api/v1/students/:student_id/consent', forKeepers, async (c) => {
    const id = studentIdOf(c)
    const consent = await readJson(c, ConsentRequest)
    refuseAbsurdTime(consent.given_at, now())
    const actor = actorOf(c.var.identity)
    const saved = await together(db, async (inside) => {
      const outcome = await saveConsent(inside, id, consent, now(), actor)
      if (outcome === 'recorded') await audit({ actor, action: 'consent_given', subject: `student:${id}`, details: { giver: consent.giver ?? null, way: consent.way ?? null, ...textDetails(consent.text) } }, inside)
      return outcome
    })
    switch (saved) {
      case 'unknown_student':
        throw noStudent(id)
      case 'unknown_text':
        throw refusalOfField('invalid_request', 'text', 'names no text of this school in this version and language; GET /api/v1/consent-texts lists them')
      case 'guardian_required':
        throw refusalOfField('invalid_request', 'giver', `must be guardian: for ${id} a guardian must consent; send giver "guardian", their name as given_by and their relationship to the student`)
      case 'unchanged':
      case 'recorded':
        return c.json(await knownStudent(id))
    }
  })

  routes.delete('/api/v1/students/:student_id/consent', forKeepers, async (c) => {
    const id = studentIdOf(c)
    const actor = actorOf(c.var.identity)
    await together(db, async (inside) => {
      const outcome = await withdrawConsent(inside, id, now(), actor)
      if (outcome === 'unknown_student') throw noStudent(id)
      if (outcome === 'withdrawn') await audit({ actor, action: 'consent_withdrawn', subject: `student:${id}` }, inside)
    })
    return c.json(await knownStudent(id))
  })

  return routes
}

const textDetails = (text: { text_id: string; version: number; language: string } | undefined): Record<string, string | number> =>
  text === undefined ? {} : { text: text.text_id, text_version: text.version, language: text.language }

function refuseAbsurdTime(givenAt: string | undefined, now: Date): void {
  if (givenAt === undefined) return
  if (!KnownDate.safeParse(givenAt.slice(0, 10)).success) throw refusalOfField('invalid_request', 'given_at', 'must lie in the years 0001 to 9999')
  if (Date.parse(givenAt) > now.getTime() + AHEAD_MS) throw refusalOfField('invalid_request', 'given_at', 'must not lie in the future; leave it out for now')
}
