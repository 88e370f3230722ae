/** Every route, asked with names, keys, PINs and templates that would be known again: none of them is in the log, whatever goes wrong. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from './app.ts'
import { createLog } from './log.ts'
import type { LogEvent } from './log.ts'
import { startThrowawaySchool } from './throwaway-school.ts'
import type { ThrowawaySchool } from './throwaway-school.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
const NAME = 'Zyxwina'
const SURNAME = 'Quarkmark'
const PIN = '83651927'
const PASSWORD = 'Vokabel-Tuer-77-qx'
const KEY = 'unmistakable'.repeat(4).slice(0, 43)
const NUMBER = 0.123456789
const NOTE = 'dentist-visit-note'
const MARKED = [NAME, SURNAME, PIN, PASSWORD, KEY, String(NUMBER), NOTE, 'zyxwina']

/** What any route may take, all at once: strict ones refuse it, the others find their own. */
const embedding = Array.from({ length: 192 }, (_, i) => (i === 0 ? NUMBER : Math.sqrt((1 - NUMBER * NUMBER) / 191)))
const ANYTHING = {
  first_name: NAME, last_name: SURNAME, email: `${NAME}@school.example`, statement: NOTE, given_by: NAME, note: NOTE, status: 'excused', student_id: 'S001', answer: 'no',
  username: NAME, password: PASSWORD, current_password: PASSWORD, new_password: PASSWORD, code: PIN, pin: PIN, key: KEY, role: 'teacher', templates: [{ model: 'mobilefacenet-192-r1', embedding }],
  model: 'mobilefacenet-192-r1', embedding, confirmed_different_from: [], student_ids: ['S001', 'S002'], liveness: 'watch', policy: 'default',
  device_id: 'pi-lab301', records: [{ student_id: NAME, course_id: 'CS101', timestamp: NOW.toISOString(), confidence: NUMBER, note: NOTE }, { student_id: 'S001', course_id: 'CS101', timestamp: NOW.toISOString(), confidence: 0.9 }],
}

let school: ThrowawaySchool
const events: LogEvent[] = []
const lines: string[] = []

beforeAll(async () => {
  const write = createLog((line) => void lines.push(line), () => NOW)
  school = await startThrowawaySchool(() => NOW, {
    log: (event) => {
      events.push(event)
      write(event)
    },
  })
})
afterAll(() => school.stop())

/** Every route with its method, once; with a person's name where an id belongs, and with ids. */
function asks(): { method: string; path: string }[] {
  const routes = new Map(createApp(school.parts).routes.filter(({ method, path }) => method !== 'ALL' && !path.includes('*')).map(({ method, path }) => [`${method} ${path}`, { method, path }]))
  return [...routes.values()].flatMap(({ method, path }) => [
    { method, path: path.replaceAll(/:\w+/g, `${NAME}%20${SURNAME}`) },
    { method, path: path.replace(':held_on', '2026-11-23').replace(':student_id', 'S001').replace(':course_id', 'CS101').replace(':room_id', 'LAB-301').replace(':device_id', 'pi-lab301').replaceAll(/:\w+/g, '1') },
  ])
}

async function ask({ method, path }: { method: string; path: string }, key: string | undefined, body: string): Promise<number> {
  // A live line would stay open.
  const signal = AbortSignal.timeout(5_000)
  const answer = await school.app.request(`${path}?room_id=LAB-301&q=${NAME}&code=${PIN}&state=${KEY}`, {
    method,
    headers: { 'content-type': 'application/json', cookie: `fastrack_session=${KEY}`, 'x-forwarded-for': NAME, 'user-agent': SURNAME, ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
    ...(method === 'GET' ? {} : { body }),
    signal,
  })
  const { status } = answer
  await answer.body?.cancel()
  return status
}

async function askAll(): Promise<number> {
  let asked = 0
  for (const one of asks()) {
    for (const key of [school.apiKey, school.deviceKey, KEY, undefined]) {
      await ask(one, key, JSON.stringify(ANYTHING))
      asked += 1
    }
    await ask(one, school.apiKey, `{"first_name":"${NAME}","pin":${PIN}`)
  }
  return asked
}

function expectNobody(): void {
  const text = lines.join('')
  for (const marked of [...MARKED, school.apiKey, school.deviceKey, school.officePassword]) expect(text.includes(marked), `${marked.slice(0, 12)} in the log:\n${lines.find((line) => line.includes(marked)) ?? ''}`).toBe(false)
  for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow()
}

test('no name, key, PIN, password or template is in a line of the log: when all goes well, when requests are refused, when the database refuses and when it is away', async () => {
  expect(await askAll()).toBeGreaterThan(150)
  expectNobody()
  const audited = JSON.stringify(await school.db.sql`SELECT actor, action, subject, details FROM audit_log`)
  for (const marked of [...MARKED, school.apiKey, school.deviceKey, school.officePassword]) expect(audited.includes(marked), `${marked.slice(0, 12)} in the audit log`).toBe(false)
  // Tables that refuse every write with what was written, as a full disk or a forgotten trigger would.
  await school.db.sql.unsafe(`
    CREATE FUNCTION repeat_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'cannot keep this: "%"', NEW; END $$;
    DO $$ DECLARE t text; BEGIN
      FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'attendance_logs_%' LOOP
        EXECUTE format('CREATE TRIGGER a_repeat_all BEFORE INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION repeat_all()', t);
      END LOOP;
    END $$`)
  await askAll()
  expect(events.length).toBeGreaterThan(0)
  expectNobody()
  await school.stopDatabase()
  for (const one of asks()) await ask(one, school.apiKey, JSON.stringify(ANYTHING))
  expectNobody()
  process.stdout.write(`  ${lines.length} lines of ${new Set(events.map(({ event }) => event)).size} kinds\n`)
}, 120_000)
