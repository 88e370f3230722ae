/** The soak as a person runs it: a command, its JSON and its exit code. How a long run grows is for the long run to say. */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

function soak(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'e2e/soak.ts', ...args], { cwd: resolve(import.meta.dirname, '..') })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((done) => child.once('close', (code) => done({ code, stdout, stderr })))
}

describe.skipIf(process.platform !== 'linux')('the soak', () => {
  test('watches as long as it was told, loses no mark, and says how much memory and how many tensors there are', { timeout: 400_000 }, async () => {
    const { code, stdout, stderr } = await soak('--minutes', '0.7', '--json')
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    const outcome = JSON.parse(stdout) as { frames: number; tensors: { end: number }; renderer_mb: Record<string, number>; marks: { shown: number; stored: number } }
    expect(outcome).toMatchObject({ minutes: 0.7, marks: { lost: 0, doubled: 0, refused: 0, unsent: 0 } })
    expect(outcome.marks.shown).toBeGreaterThan(0)
    expect(outcome.marks.stored).toBeGreaterThanOrEqual(outcome.marks.shown)
    expect(outcome).toMatchObject({ sent: { foreign: 0, pictures: 0 } })
    expect(outcome.frames).toBeGreaterThan(0)
    expect(outcome.tensors.end).toBeGreaterThan(0)
    for (const figure of ['start', 'after_warm_up', 'end']) expect(outcome.renderer_mb[figure]).toBeGreaterThan(0)
  })

  test.each([
    [['--minutes', '0'], '--minutes 0'],
    [['--minutes', 'long'], '--minutes long'],
    [['--camera', 'clip.mjpeg'], '--camera and --students go together'],
    [['--students', 'nobody.csv', '--camera', 'nothing.mjpeg'], 'there is no such file'],
    [['--hours', '3'], '--hours'],
  ])('refuses %j before anything is started, and says why', async (args, says) => {
    const { code, stdout, stderr } = await soak(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
  })
})
