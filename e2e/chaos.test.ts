/** Kill -9 for everybody in turn, in small: what a kiosk showed as marked is in the record, once. */
import { execFile, execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')

function installed(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test.skipIf(!installed('redis-server'))('Nothing that was shown as marked is lost or doubled when PostgreSQL, Redis, servers, recorders and kiosks are killed (skipped without redis-server)', { timeout: 240_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'e2e/chaos/chaos.ts', '--kills', '10', '--json'], { cwd: ROOT })
  expect(JSON.parse(stdout)).toMatchObject({ kills: 10, lost: 0, doubled: 0, invented: 0, refused: 0, alarms: 0 })
})
