/** A school that rehearses gets a true answer, and keeps nothing of it on its disk. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ANNA_ENROLLED, ANNA_LATER, BEA, CLEO, clipOf, portrait } from './faces.ts'

const ROOT = resolve(import.meta.dirname, '..')

const Outcome = z.object({
  marked: z.array(z.object({ student_id: z.string(), confidence: z.number(), seconds: z.number() })),
  unknown_sightings: z.int(),
  frames: z.int(),
  ms: z.object({ detect: z.number(), align: z.number(), embed: z.number(), frame: z.number() }),
  refused_photos: z.array(z.object({ image: z.string(), reason: z.string() })),
})

let folder: string
let scratch: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-rehearse-'))
  scratch = await mkdtemp(join(tmpdir(), 'fastrackai-scratch-'))
  for (const [name, face] of Object.entries({ anna: ANNA_ENROLLED, bea: BEA, cleo: CLEO })) await writeFile(join(folder, `${name}.jpg`), await portrait(face))
  await writeFile(join(folder, 'broken.jpg'), 'no photo at all')
  await clipOf(join(folder, 'anna.y4m'), [ANNA_LATER])
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await rm(scratch, { recursive: true, force: true })
})

async function rehearse(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'e2e/rehearse.ts', ...args], { cwd: ROOT, env: { ...process.env, INIT_CWD: folder, TMPDIR: scratch } })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  return { code, stdout, stderr }
}

async function list(rows: [id: string, name: string, image: string][]): Promise<string> {
  await writeFile(join(folder, 'list.csv'), ['student_id,name,image', ...rows.map((row) => row.join(','))].join('\n'))
  return 'list.csv'
}

describe('the rehearsal', () => {
  test('marks the person of the photos in the clip and nobody else, names a refused photo, and leaves nothing behind', async () => {
    const students = await list([['A1', 'Anna Later', 'anna.jpg'], ['B1', 'Bea', 'bea.jpg'], ['B1', 'Bea', 'broken.jpg']])
    const { code, stdout, stderr } = await rehearse(['--students', students, '--camera', 'anna.y4m', '--seconds', '6', '--json'])
    expect(code, stderr).toBe(1)
    const outcome = Outcome.parse(JSON.parse(stdout))
    expect(outcome.marked.map((mark) => mark.student_id)).toEqual(['A1'])
    expect(outcome.refused_photos.map(({ image }) => image)).toEqual(['broken.jpg'])
    // tsx, which runs the TypeScript, keeps its own cache there.
    expect((await readdir(scratch)).filter((name) => !name.startsWith('tsx-'))).toEqual([])
  })

  test('marks nobody when the person of the clip is not on the list', async () => {
    const students = await list([['B1', 'Bea', 'bea.jpg'], ['C1', 'Cleo', 'cleo.jpg']])
    const { code, stdout, stderr } = await rehearse(['--students', students, '--camera', 'anna.y4m', '--seconds', '6', '--json'])
    expect(code, stderr).toBe(0)
    const outcome = Outcome.parse(JSON.parse(stdout))
    expect(outcome.marked).toEqual([])
    expect(outcome.unknown_sightings).toBeGreaterThan(0)
  })

  test('says every fault of the list before it starts anything', async () => {
    const students = await list([['A 1', 'Anna', 'anna.jpg'], ['B1', '', 'bea.jpg'], ['C1', 'Cleo', 'nowhere.jpg']])
    const { code, stdout, stderr } = await rehearse(['--students', students, '--camera', 'anna.y4m'])
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/line 2: student_id[^]*line 3: name[^]*line 4: image nowhere\.jpg/)
    expect((await rehearse(['--students', students])).stderr).toMatch(/--students and --camera/)
  })
})
