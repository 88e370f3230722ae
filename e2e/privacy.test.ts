/** What a withdrawal and an erasure promise: the real server, the real kiosk page in a real Chromium, real faces, and every byte that is left. */
import { cp, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Token } from '#contract/account'
import { Certificate, Forgettings } from '#contract/consent'
import { CURRENT_MODEL, EMBEDDING_LENGTH, packEmbedding, unpackEmbedding } from '#contract/model'
import { Schedule } from '#contract/schedule'
import { launchChromium } from './chromium.ts'
import { ANNA_ENROLLED, ANNA_LATER, clipOf, CLEO, enrolPhotos } from './faces.ts'
import { diagnosticsOf, shownOn, until, untilFrames, untilShown } from './kiosk-page.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

const DAY_MS = 86_400_000

let folder: string
let school: School
let anna: string
let cleo: string
let open: BrowserContext[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-privacy-'))
  school = await startSchool()
  ;[anna, cleo] = await Promise.all([clipOf(join(folder, 'anna.y4m'), [ANNA_LATER]), clipOf(join(folder, 'cleo.y4m'), [CLEO])])
  await clearOfTheBell()
})

afterEach(async () => {
  for (const context of open) await context.close().catch(() => undefined)
  open = []
})

afterAll(async () => {
  await school?.stop()
  await rm(folder, { recursive: true, force: true })
})

type Blocked = 'nothing' | 'schedule' | 'all'
const BLOCKED: Readonly<Record<Exclude<Blocked, 'nothing'>, string>> = { schedule: '**/api/v1/schedule*', all: '**/api/**' }

async function openKiosk(o: { camera: string; profile: string; blocked?: Blocked; aheadMs?: number }): Promise<{ context: BrowserContext; page: Page }> {
  const context = await launchChromium({ camera: o.camera, userDataDir: o.profile })
  open.push(context)
  if (o.blocked && o.blocked !== 'nothing') await context.route(BLOCKED[o.blocked], (route) => route.abort())
  if (o.aheadMs !== undefined) {
    await context.addInitScript((ms) => {
      const wall = Date.now.bind(Date)
      Date.now = () => wall() + ms
    }, o.aheadMs)
  }
  const page = context.pages()[0] ?? (await context.newPage())
  await page.goto(school.kioskLink)
  return { context, page }
}

async function closeKiosk(context: BrowserContext): Promise<void> {
  open = open.filter((one) => one !== context)
  await context.close()
}

/** How many of the lesson's students the kiosk holds a face of; undefined: it shows no lesson. */
const facesKnown = (page: Page): Promise<number | undefined> =>
  page.evaluate(() => {
    const state = (document.querySelector('classroom-screen') as unknown as { state: { screen: string; enrolled: number; withoutFace: number } | undefined } | null)?.state
    return state?.screen === 'lesson' ? state.enrolled - state.withoutFace : undefined
  })

const markedOn = async (page: Page): Promise<string[]> => (await diagnosticsOf(page))?.marked.map(({ studentId }) => studentId) ?? []
const newestForgetting = async () => (await school.ask(Forgettings, 'GET', '/forgettings', undefined, { key: await officersToken() })).forgettings[0]

/** What only the privacy officer may ask is asked with a token of theirs, which outlives this file. */
let token: string | undefined
async function officersToken(): Promise<string> {
  if (token !== undefined) return token
  const { privacyPassword } = z.object({ privacyPassword: z.string() }).parse(JSON.parse(await readFile(join(school.dataDir, 'secrets.json'), 'utf8')))
  token = (await school.ask(Token, 'POST', '/token', { username: 'privacy', password: privacyPassword }, { key: null })).token
  return token
}

const profile = (name: string): string => join(folder, name)

describe('a withdrawal', () => {
  test('is forgotten by a running kiosk within a minute, which confirms it within another', async () => {
    await enrolPhotos(school, { S001: ANNA_ENROLLED })
    const { page } = await openKiosk({ camera: anna, profile: profile('running') })
    await until('she is marked', async () => (await markedOn(page)).includes('S001'))
    expect(await facesKnown(page)).toBe(1)

    const began = performance.now()
    await school.withdrawConsent('S001')
    await until('the kiosk has forgotten her', async () => (await facesKnown(page)) === 0, 70_000)
    const forgotten = (performance.now() - began) / 1000
    const confirmed = await until('the kiosk has confirmed', async () => {
      const newest = await newestForgetting()
      return newest?.confirmed === 1 && newest
    }, 70_000)
    console.log(`withdrawn: forgotten by the running kiosk after ${forgotten.toFixed(1)} s, confirmed after ${((performance.now() - began) / 1000).toFixed(1)} s`)
    expect(forgotten).toBeLessThan(60)
    expect(confirmed).toMatchObject({ kind: 'withdrawal', student_id: 'S001', kiosks: [{ device_id: school.device.device_id, how: 'told' }] })
  }, 300_000)

  test('is obeyed by a kiosk that was out of reach once it is back, even where it gets no newer roster, and still after a restart without network', async () => {
    await enrolPhotos(school, { S002: ANNA_ENROLLED })
    // It holds her face, and has not seen her.
    const first = await openKiosk({ camera: cleo, profile: profile('away') })
    await until('it knows her', async () => (await facesKnown(first.page)) === 1)
    await closeKiosk(first.context)
    await cp(profile('away'), profile('control'), { recursive: true })
    await cp(profile('away'), profile('lapsing'), { recursive: true })

    // So much for what it would do: without the server it marks her.
    const control = await openKiosk({ camera: anna, profile: profile('control'), blocked: 'all' })
    await until('she is marked without the server', async () => (await markedOn(control.page)).includes('S002'))
    await closeKiosk(control.context)

    await school.withdrawConsent('S002')
    const back = await openKiosk({ camera: anna, profile: profile('away'), blocked: 'schedule' })
    await untilShown(back.page, 'no_roster')
    await untilFrames(back.page, 60)
    expect(await markedOn(back.page)).toEqual([])
    expect(await shownOn(back.page)).toBe('no_roster')
    expect((await newestForgetting())?.confirmed).toBe(0)
    await closeKiosk(back.context)

    const dark = await openKiosk({ camera: anna, profile: profile('away'), blocked: 'all' })
    await untilShown(dark.page, 'no_roster')
    await untilFrames(dark.page, 60)
    expect(await markedOn(dark.page)).toEqual([])
    await dark.context.unroute(BLOCKED.all)
    await dark.page.evaluate(() => window.dispatchEvent(new Event('online')))
    await until('it has the newer roster, without her', async () => (await facesKnown(dark.page)) === 0)
    await untilFrames(dark.page, 30)
    expect(await markedOn(dark.page)).toEqual([])
  }, 400_000)

  test('is obeyed by a kiosk that never comes back, once its templates have lapsed', async () => {
    const later = await openKiosk({ camera: cleo, profile: profile('lapsing'), blocked: 'all', aheadMs: 8 * DAY_MS })
    await untilShown(later.page, 'no_lesson')
    await closeKiosk(later.context)
    // With the clock put back there is a lesson, and nobody left to be known in it.
    const after = await openKiosk({ camera: anna, profile: profile('lapsing'), blocked: 'all' })
    await untilShown(after.page, 'no_roster')
    await untilFrames(after.page, 60)
    expect(await markedOn(after.page)).toEqual([])
  }, 300_000)
})

describe('an erasure', () => {
  test('leaves no byte of a template: not in any table, not in PostgreSQL\'s own files, not in the kiosk\'s profile, not in a log', async () => {
    // One template whose bytes are known to the last bit, and one of a real face.
    const numbers = unitVector(7)
    await school.enrol({ student_id: 'S003', first_name: 'Mei', last_name: 'Tanaka', templates: [{ model: CURRENT_MODEL, embedding: [...numbers] }] })
    await enrolPhotos(school, { S004: ANNA_ENROLLED })
    const running = await openKiosk({ camera: anna, profile: profile('erased') })
    await until('it knows both', async () => (await facesKnown(running.page)) === 2)
    await until('she is marked', async () => (await markedOn(running.page)).includes('S004'))
    // A mark that came after the erasure would be set aside under her number.
    await running.page.evaluate(() => window.dispatchEvent(new Event('online')))
    await until('her mark is stored', () =>
      running.page.evaluate(() => (document.querySelector('classroom-screen') as unknown as { state: { place?: { badge: { unsentMarks: number } } } }).state.place?.badge.unsentMarks === 0),
    )

    const schedule = await school.ask(Schedule, 'GET', `/schedule?room_id=${school.device.room_id}`, undefined, { key: school.device.key })
    const onTheWire = [...schedule.students, ...schedule.ahead.students].filter(({ student_id }) => student_id === 'S003' || student_id === 'S004').flatMap(({ templates }) => templates.map(({ embedding }) => unpackEmbedding(embedding)))
    expect(onTheWire.length).toBeGreaterThanOrEqual(2)
    const needles = [numbers, ...onTheWire].flatMap((vector) => formsOf(vector))
    // The scan finds what it looks for, in the form in which a kiosk is sent it.
    expect(found(Buffer.from(JSON.stringify(schedule)), needles)).toBe(true)
    const sealedBefore = await sealedOn(profile('erased'))
    expect(sealedBefore.length).toBeGreaterThanOrEqual(1)

    for (const id of ['S003', 'S004']) {
      const made = await school.ask(Certificate, 'POST', `/students/${id}/erasure`, { scope: 'person' }, { key: await officersToken() })
      expect(made).toMatchObject({ kind: 'person', student_id: null, counts: { templates: 1, keys: 1 } })
    }
    await until('the kiosk has forgotten them', async () => (await facesKnown(running.page)) === 0, 70_000)
    await until('the kiosk has confirmed', async () => (await newestForgetting())?.confirmed === 1, 70_000)
    await closeKiosk(running.context)
    // What the page had read of the sealed roster holds its file until the page's memory is swept; at the next start it is gone for certain.
    const again = await openKiosk({ camera: anna, profile: profile('erased') })
    await untilFrames(again.page, 10)
    await until('the sealed roster of before is off the disk', async () => (await sealedOn(profile('erased'))).every((bytes) => !sealedBefore.some((before) => before.equals(bytes))))
    await closeKiosk(again.context)

    const dump = await dumpOf(school.databaseUrl)
    for (const trace of ['S003', 'S004', 'Tanaka']) expect(dump.filter(({ table, text }) => table !== 'audit_log' && text.includes(trace)).map(({ table }) => table), trace).toEqual([])
    expect(dump.filter(({ text, bytes }) => found(Buffer.from(text), needles) || found(bytes, needles)).map(({ table }) => table)).toEqual([])
    expect(found(Buffer.from(school.output()), needles)).toBe(false)
    const scanned = { files: 0, bytes: 0 }
    for (const at of [profile('erased'), ...(await postgresFolders(school))]) {
      for await (const { path, bytes } of filesUnder(at)) {
        expect(found(bytes, needles), path).toBe(false)
        scanned.files += 1
        scanned.bytes += bytes.length
        expect(found(bytes, sealedBefore), path).toBe(false)
      }
    }
    console.log(`erased: ${needles.length} forms of ${1 + onTheWire.length} templates in none of ${dump.length} tables and ${scanned.files} files (${(scanned.bytes / 1e6).toFixed(0)} MB); the sealed roster of before among them in none`)
  }, 400_000)
})

// ---------- bytes ----------

function unitVector(seed: number): Float32Array {
  const raw = Array.from({ length: EMBEDDING_LENGTH[CURRENT_MODEL] }, (_, i) => Math.sin(seed * 12.9898 + i * 78.233))
  const norm = Math.hypot(...raw)
  return Float32Array.from(raw, (x) => x / norm)
}

/** Six stretches of it: as float32 little-endian, that in base64 and hexadecimal, as decimals, in UTF-8 and UTF-16, and packed as it travels, in bytes and in base64. Wherever a copy lies, all of them are in it. */
function formsOf(vector: ArrayLike<number>): Buffer[] {
  const floats = Float32Array.from(vector)
  const bytes = Buffer.from(floats.buffer)
  const packed = packEmbedding(floats)
  const packedBytes = Buffer.from(packed, 'base64')
  return [0, 33, 66, 99, 132, 165].flatMap((at) => {
    const raw = bytes.subarray(at * 4, at * 4 + 12)
    // A byte string lies in base64 in one of three ways; what its neighbours have a part in is left out.
    const base64 = [0, 1, 2].map((shift) => bytes.subarray(at * 4 + shift, at * 4 + shift + 24).toString('base64'))
    const decimals = [Array.from({ length: 3 }, (_, i) => vector[at + i]).join(','), Array.from({ length: 3 }, (_, i) => floats[at + i]).join(',')]
    // Twelve numbers are 24 bytes, and those are 32 characters.
    const asSent = packed.slice((at / 3) * 8, (at / 3) * 8 + 32)
    return [raw, packedBytes.subarray(at * 2, at * 2 + 12), Buffer.from(asSent), Buffer.from(asSent, 'utf16le'), ...[...base64, raw.toString('hex'), ...decimals].map((text) => Buffer.from(text)), ...decimals.map((text) => Buffer.from(text, 'utf16le'))]
  })
}

const found = (bytes: Buffer, needles: readonly Buffer[]): boolean => needles.some((needle) => bytes.includes(needle))

async function* filesUnder(at: string): AsyncGenerator<{ path: string; bytes: Buffer }> {
  for (const entry of await readdir(at, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path).catch(() => undefined)
    if (bytes) yield { path, bytes }
  }
}

/** Of the embedded one: tables, indexes and the write-ahead log. */
async function postgresFolders({ dataDir }: School): Promise<string[]> {
  const link = join(dataDir, 'postgres')
  return [(await readlink(link).catch(() => undefined)) ?? link].map((target) => (target.startsWith('/') ? target : join(dataDir, target)))
}

/** Every row of every table, as text and as the bytes of its bytea columns. */
async function dumpOf(url: string): Promise<{ table: string; text: string; bytes: Buffer }[]> {
  // eslint-disable-next-line no-restricted-imports -- what lies in a table, PostgreSQL alone can say
  const { default: postgres } = await import('postgres')
  const sql = postgres(url, { max: 1 })
  try {
    const tables = await sql<{ name: string }[]>`
      SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`
    return await Promise.all(
      tables.map(async ({ name }) => {
        const rows = await sql.unsafe(`SELECT * FROM ${name}`)
        const texts = await sql.unsafe<{ text: string }[]>(`SELECT t::text AS text FROM ${name} t`)
        const bytes = Buffer.concat(rows.flatMap((row) => Object.values(row as Record<string, unknown>).filter((value): value is Buffer => Buffer.isBuffer(value))))
        return { table: name.replace('public.', ''), text: texts.map(({ text }) => text).join('\n'), bytes }
      }),
    )
  } finally {
    await sql.end()
  }
}

/** The sealed rosters that lie on the disk of a profile, by their first bytes. A Chromium that keeps them elsewhere has none. */
async function sealedOn(at: string): Promise<Buffer[]> {
  const sealed: Buffer[] = []
  for await (const { path, bytes } of filesUnder(at)) if (path.includes('.indexeddb.blob')) sealed.push(bytes.subarray(0, 64))
  return sealed
}
