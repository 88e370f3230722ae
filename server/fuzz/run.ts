/** So many requests against a real school, and what was wrong with the answers. */
import { openApiDocument } from '../openapi/document.ts'
import { openChance } from './chance.ts'
import type { Chance } from './chance.ts'
import { openJudge } from './judge.ts'
import { askerFor, openRequests, signed } from './requests.ts'
import type { Document, Spoilt } from './requests.ts'
import { openFuzzSchools } from './school.ts'
import type { Asker, FuzzSchool } from './school.ts'
import { curlOf, send } from './wire.ts'
import type { Sent } from './wire.ts'

export interface Fault {
  operation: string
  asker: Asker
  spoilt: Spoilt
  what: string
  curl: string
  /** How often the like of it was met. */
  times: number
}

export interface Report {
  requests: number
  seed: number
  seconds: number
  faults: Fault[]
  statuses: Record<string, number>
  spoilt: Record<string, number>
  operations: number
  /** Operations that were answered with success, and the others. */
  succeeded: number
  unmet: string[]
  slowestMs: number
  schools: number
}

/** A Monday at 09:20 in Stockholm, from which the clock runs on. */
const BEGINS = Date.parse('2026-11-23T08:20:00Z')
/** A school in which much has been erased answers little. */
const SCHOOL_LASTS = 1_500
const REVIVED_EVERY = 100
const AT_ONCE = 4
const PATIENCE_MS = 10_000
/** A request is made smaller in at most so many tries. */
const SMALLER_TRIES = 40

export async function fuzz({ requests, seed, say = () => {} }: { requests: number; seed: number; say?: (line: string) => void }): Promise<Report> {
  const began = performance.now()
  const now = (): Date => new Date(BEGINS + performance.now() - began)
  const document = JSON.parse(JSON.stringify(openApiDocument('0.0.0+fuzz'))) as Document
  const next = openRequests(document, { seed, around: now() })
  const judge = openJudge(document)
  const faults = new Map<string, Fault>()
  const succeeded = new Set<string>()
  const report: Report = { requests: 0, seed, seconds: 0, faults: [], statuses: {}, spoilt: {}, operations: Object.values(document.paths).flatMap(Object.keys).length, succeeded: 0, unmet: [], slowestMs: 0, schools: 0 }
  const schools = await openFuzzSchools(now)

  async function one(school: FuzzSchool, chance: Chance): Promise<void> {
    const { operation, ...made } = next(school.known, chance)
    const asker = askerFor(operation, chance)
    const sent = signed(made, school.headersOf(asker), chance)
    const answered = await send(school.port, sent, PATIENCE_MS)
    report.requests += 1
    report.statuses[answered.status] = (report.statuses[answered.status] ?? 0) + 1
    report.spoilt[made.spoilt] = (report.spoilt[made.spoilt] ?? 0) + 1
    report.slowestMs = Math.max(report.slowestMs, Math.round(answered.milliseconds))
    const name = `${made.method.toUpperCase()} ${made.path}`
    if (made.spoilt === 'nothing' && answered.status > 0 && answered.status < 400) succeeded.add(name)
    const what = judge(made, sent, answered)
    if (what === undefined) return
    const kind = `${name} ${what.replaceAll(/\d+|"[^"]*"/g, '_').slice(0, 80)}`
    const known = faults.get(kind)
    if (known) {
      known.times += 1
      return
    }
    faults.set(kind, { operation: name, asker, spoilt: made.spoilt, what, curl: '', times: 1 })
    const smallest = await smaller(sent, async (less) => {
      const again = judge(made, less, await send(school.port, less, PATIENCE_MS))
      return again !== undefined && again.slice(0, 12) === what.slice(0, 12)
    })
    faults.set(kind, { operation: name, asker, spoilt: made.spoilt, what, curl: curlOf(school.port, smallest), times: faults.get(kind)?.times ?? 1 })
    say(`${name} (${asker}, ${made.spoilt}): ${what}\n  ${curlOf(school.port, smallest)}`)
  }

  try {
    for (let round = 0; report.requests < requests; round += 1) {
      const school = await schools.open()
      report.schools += 1
      const chance = openChance(seed + round * 7_919)
      const until = Math.min(requests, report.requests + SCHOOL_LASTS)
      while (report.requests < until) {
        await school.revive()
        const count = Math.min(REVIVED_EVERY, until - report.requests)
        // Each has a chance of its own, so that it does not hang on who is quicker.
        await inTurns(Array.from({ length: count }, () => openChance(chance.below(2 ** 31))), AT_ONCE, (own) => one(school, own))
      }
      await school.revive()
      for (const what of [...(await school.check()), ...(await aliveFaults(school)), ...school.faultsLogged().map((event) => `the log says ${JSON.stringify(event).slice(0, 400)}`)]) {
        const kind = `after ${what.replaceAll(/\d+|\\?"value.*?range/g, '_').slice(0, 200)}`
        const known = faults.get(kind)
        if (known) known.times += 1
        else {
          faults.set(kind, { operation: 'the school afterwards', asker: 'nobody', spoilt: 'nothing', what, curl: '', times: 1 })
          say(what)
        }
      }
      await school.stop()
      say(`${report.requests} requests, ${faults.size} faults, ${Math.round((performance.now() - began) / 1000)} s`)
    }
  } finally {
    await schools.stop()
  }
  const unmet = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)).filter((name) => !succeeded.has(name))
  return { ...report, faults: [...faults.values()], succeeded: succeeded.size, unmet, seconds: Math.round((performance.now() - began) / 100) / 10 }
}

async function aliveFaults(school: FuzzSchool): Promise<string[]> {
  const { status } = await send(school.port, { method: 'GET', target: '/health', headers: [] }, PATIENCE_MS)
  return status === 200 ? [] : [`/health says ${status}`]
}

async function inTurns<T>(all: readonly T[], atOnce: number, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all]
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one)
  }))
}

/** The same fault with fewer headers, less of a query and less of a body. What broken bytes hold stays. */
async function smaller(sent: Sent, stillFaulty: (less: Sent) => Promise<boolean>): Promise<Sent> {
  if (sent.raw) return sent
  let best = sent
  let tries = 0
  const attempt = async (less: Sent): Promise<boolean> => {
    if ((tries += 1) > SMALLER_TRIES) return false
    if (!(await stillFaulty(less))) return false
    best = less
    return true
  }
  for (const header of sent.headers) await attempt({ ...best, headers: best.headers.filter((one) => one !== header) })
  const [path = '', query] = sent.target.split('?')
  if (query !== undefined && !(await attempt({ ...best, target: path }))) {
    let parts = query.split('&')
    for (const part of parts) {
      const fewer = parts.filter((one) => one !== part)
      if (await attempt({ ...best, target: `${path}?${fewer.join('&')}` })) parts = fewer
    }
  }
  const body = jsonOf(sent.body)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    let members = body as Record<string, unknown>
    for (const name of Object.keys(members)) {
      const { [name]: _, ...fewer } = members
      if (await attempt({ ...best, body: Buffer.from(JSON.stringify(fewer)) })) members = fewer
    }
  }
  return best
}

function jsonOf(body: Buffer | undefined): unknown {
  try {
    return body && (JSON.parse(body.toString()) as unknown)
  } catch {
    return undefined
  }
}
