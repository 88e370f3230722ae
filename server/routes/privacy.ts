/** What a privacy officer does: erase, export, prove, and say for how long things are kept. Consents themselves: consents.ts. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import { CertificatesQuery, ErasureRequest, RetentionRequest } from '#contract/consent'
import type { Certificate, Certificates, Forgettings, RetentionSchedule } from '#contract/consent'
import { StudentId, Uuid } from '#contract/ids'
import { certificates, erase } from '../../db/erasure.ts'
import { exportOf } from '../../db/export.ts'
import { forgettings } from '../../db/forgettings.ts'
import { schoolZone } from '../../db/kiosks.ts'
import { saveRetentionRule } from '../../db/retention-rules.ts'
import { retentionSchedule } from '../../db/retention-schedule.ts'
import { together } from '../../db/together.ts'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { actorOf } from '../audit.ts'
import { onlyFor } from '../identity.ts'
import { describeFault } from '../log.ts'
import { Refusal, refusalOfField } from '../problem.ts'
import { parse, readJson } from '../request-body.ts'

export function privacyRoutes(parts: AppParts): Hono<AppEnv> {
  const { db, now, audit, log } = parts
  const routes = new Hono<AppEnv>()
  const forPrivacy = onlyFor(parts, 'privacy')
  const studentIdOf = (c: Context): string => parse(z.object({ student_id: StudentId }), c.req.param()).student_id
  const noStudent = (id: string): Refusal => new Refusal('not_found', `there is no student ${id}`)

  async function certificate(id: string): Promise<Certificate> {
    const [made] = await certificates(db, now(), { only: id })
    if (!made) throw new Refusal('not_found', `there is no certificate ${id}`)
    return made
  }

  routes.get('/api/v1/forgettings', forPrivacy, async (c) => {
    const at = now()
    const answer: Forgettings = { now: at.toISOString(), time_zone: await schoolZone(db), forgettings: await forgettings(db, at) }
    return c.json(answer)
  })

  routes.post('/api/v1/students/:student_id/erasure', forPrivacy, async (c) => {
    const id = studentIdOf(c)
    const wanted = await readJson(c, ErasureRequest)
    const actor = actorOf(c.var.identity)
    const erased = await together(db, async (inside) => {
      const outcome = await erase(inside, id, wanted, now(), actor)
      if (outcome.outcome === 'erased') {
        const action = wanted.scope === 'person' ? 'person_erased' : 'biometrics_erased'
        await audit({ actor, action, subject: `student:${id}`, details: { certificate: outcome.certificate_id, ...(wanted.scope === 'person' ? { marks: wanted.marks } : {}) } }, inside)
      }
      return outcome
    })
    if (erased.outcome === 'unknown_student') throw noStudent(id)
    if (erased.outcome === 'conflict') throw refusalOfField('conflict', 'request_id', 'is that of another deletion; make a new one')
    return c.json(await certificate(erased.certificate_id))
  })

  routes.get('/api/v1/students/:student_id/export', forPrivacy, async (c) => {
    const id = studentIdOf(c)
    const pieces = await exportOf(db, id, now())
    if (!pieces) throw noStudent(id)
    try {
      await audit({ actor: actorOf(c.var.identity), action: 'exported', subject: `student:${id}` })
    } catch (error) {
      await pieces.return(undefined)
      throw error
    }
    c.header('content-type', 'application/json')
    c.header('content-disposition', `attachment; filename="${id}.json"`)
    return stream(
      c,
      async (out) => {
        out.onAbort(() => void pieces.return(undefined))
        for await (const piece of pieces) await out.write(piece)
      },
      async (error) => {
        // The file breaks off, and is no JSON: whoever has it sees that it is not whole.
        log({ event: 'export_failed', ...describeFault(error) })
      },
    )
  })

  routes.get('/api/v1/certificates', forPrivacy, async (c) => {
    const { limit } = parse(CertificatesQuery, c.req.query())
    const { school } = await retentionSchedule(db, parts.retentionMonths)
    const answer: Certificates = { school, time_zone: await schoolZone(db), certificates: await certificates(db, now(), { limit }) }
    return c.json(answer)
  })

  routes.get('/api/v1/certificates/:certificate_id', forPrivacy, async (c) => c.json(await certificate(parse(z.object({ certificate_id: Uuid }), c.req.param()).certificate_id)))

  // ---------- for how long ----------

  routes.get('/api/v1/retention-schedule', async (c) => c.json(await retentionSchedule(db, parts.retentionMonths)))

  routes.put('/api/v1/retention-schedule', forPrivacy, async (c) => {
    const rule = await readJson(c, RetentionRequest)
    const actor = actorOf(c.var.identity)
    await together(db, async (inside) => {
      await saveRetentionRule(inside, rule, now(), actor)
      await audit({ actor, action: 'retention_changed', subject: 'school', details: { ...rule } }, inside)
    })
    return c.json(await retentionSchedule(db, parts.retentionMonths))
  })

  routes.get('/retention-schedule', async (c) => c.html(pageOf(await retentionSchedule(db, parts.retentionMonths))))

  return routes
}

/** Without a script or a style, so that it can be read by anybody, and printed. */
function pageOf({ school, kinds }: RetentionSchedule): string {
  const rows = kinds.map(({ what, counted_from, ...time }) => `<tr><td>${escaped(what)}</td><td>${timeOf(time)}</td><td>${escaped(counted_from)}</td></tr>`)
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>How long ${escaped(school)} keeps what</title></head>
<body>
<h1>How long ${escaped(school)} keeps what</h1>
<table border="1" cellpadding="8">
<thead><tr><th>What</th><th>How long</th><th>Counted from</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
<p>What is older is erased once a day. Whoever asks the school is shown everything that is held on them.</p>
</body>
</html>
`
}

function timeOf({ days, months }: { days: number | null; months: number | null }): string {
  if (months !== null) return `${months} months`
  if (days === null) return '—'
  return days === 0 ? 'not at all' : days === 1 ? '1 day' : `${days} days`
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
