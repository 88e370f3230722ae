/**
 * `npm run templates`: how the templates on record are sealed and turned; another key around them (--rewrap), another rotation (--new-rotation).
 * Beside running servers or without one; needs no photo. Knows nothing of how they are sealed: db/reseal.ts does.
 *
 * 0: told, or done; 1: refused, with one line why.
 */
import { parseArgs } from 'node:util'
import { appendAudit } from '../db/audit.ts'
import { DatabaseRefused } from '../db/connect.ts'
import type { Database } from '../db/connect.ts'
import { DataFolderRefused } from '../db/embedded.ts'
import { createKeyring, KeyringRefused } from '../db/keyring.ts'
import type { Keyring } from '../db/keyring.ts'
import { dropLost, keyringStatus, newRotation, rewrap } from '../db/reseal.ts'
import type { KeyringStatus } from '../db/reseal.ts'
import { together } from '../db/together.ts'
import type { AuditAction } from '#contract/audit'
import { ConfigRefused, readConfig } from './config.ts'
import { heldSchoolKey, SchoolKeyMissing } from './held-school-key.ts'
import { describeFault } from './log.ts'
import { NoRecord, openRecordBeside } from './record-beside.ts'
import type { SchoolKey } from './school-key.ts'
import { DataDirRefused } from './secrets.ts'

const USAGE = `npm run templates [-- --status | --rewrap | --new-rotation | --drop-lost] [--json]

  --status         what is on record and which key opens it (the default); changes nothing
  --rewrap         puts SCHOOL_KEY around every student's key in the place of SCHOOL_KEY_BEFORE. Servers that know both keys serve
                   meanwhile; ended in the middle, run it again. Afterwards take SCHOOL_KEY_BEFORE away
  --new-rotation   turns every template by another secret rotation, in one transaction: templates that have leaked fit nothing
                   here any more. Kiosks pull within minutes; who enrols meanwhile waits
  --drop-lost      erases templates that no key in the record opens: a restored backup's, of students erased since
  --json           the same for a script

  Needs the school's key as the server has it: SCHOOL_KEY, or secrets.json in DATA_DIR.`

class Usage extends Error {
  override name = 'Usage'
}

const REFUSALS = [SchoolKeyMissing, KeyringRefused, NoRecord, ConfigRefused, DataDirRefused, DatabaseRefused, DataFolderRefused]
const UNKNOWN_TABLE = '42P01'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

interface Done {
  /** For a script. */
  told: object
  lines: string[]
}

async function run(): Promise<void> {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({ options: { status: flag, rewrap: flag, 'new-rotation': flag, 'drop-lost': flag, json: flag, help: { type: 'boolean', short: 'h' } } })
  if (values.help) return say(USAGE)
  const asked = (['rewrap', 'new-rotation', 'drop-lost', 'status'] as const).filter((name) => values[name])
  if (asked.length > 1) throw new Usage(`--${asked.join(' and --')} are asked for together; say one`)
  const config = readConfig()
  const schoolKey = await heldSchoolKey(config)
  const keyring = createKeyring({ now: schoolKey.derive('templates'), before: schoolKey.deriveBefore?.('templates') })
  const { db, close } = await openRecordBeside(config)
  try {
    const { told, lines } = await work(asked[0] ?? 'status', { db, keyring, schoolKey })
    if (values.json) return say(JSON.stringify(told))
    for (const line of lines) say(line)
  } finally {
    await close()
  }
}

async function work(asked: 'status' | 'rewrap' | 'new-rotation' | 'drop-lost', { db, keyring, schoolKey }: { db: Database; keyring: Keyring; schoolKey: SchoolKey }): Promise<Done> {
  const onRecord = (inside: Database, action: AuditAction, details: Record<string, number>): Promise<unknown> =>
    appendAudit(inside, schoolKey.derive('audit'), { at: new Date(), actor: 'command:templates', action, subject: 'school', details })
  switch (asked) {
    case 'status': {
      const status = await keyringStatus(db, keyring)
      return { told: status, lines: statusLines(status) }
    }
    case 'rewrap': {
      const done = await rewrap(db, keyring)
      if (done.students + done.rotations > 0) await onRecord(db, 'school_key_rotated', done)
      return { told: done, lines: [`${done.students} students' keys and ${done.rotations} rotations were wrapped under SCHOOL_KEY; nothing is under SCHOOL_KEY_BEFORE any more.`] }
    }
    case 'new-rotation': {
      const done = await together(db, async (inside) => {
        const turned = await newRotation(inside, keyring)
        await onRecord(inside, 'matrix_rotated', turned)
        return turned
      })
      return { told: done, lines: [`${done.templates} templates were turned by another rotation. Kiosks pull it within minutes; one that is offline goes on with what it has.`] }
    }
    case 'drop-lost': {
      const done = await together(db, async (inside) => {
        const dropped = await dropLost(inside)
        if (dropped.templates > 0) await onRecord(inside, 'biometrics_erased', dropped)
        return dropped
      })
      return { told: done, lines: [`${done.templates} templates of ${done.students} students, which no key opens, were erased.`] }
    }
  }
}

function statusLines({ wrapped, templates, lost, sealed }: KeyringStatus): string[] {
  return [
    ...templates.map(({ model, templates: held, students, turned_since }) => `${model}: ${held} templates of ${students} students, turned by a rotation ${turned_since === null ? 'that is missing' : `of ${turned_since}`}`),
    `keys under SCHOOL_KEY: ${wrapped.now}; under SCHOOL_KEY_BEFORE: ${wrapped.before}; under neither: ${wrapped.unknown}`,
    sealed ? 'every row is sealed: PostgreSQL checks it' : 'rows of an older version are not sealed yet: the next start of a server seals them',
    ...(lost.templates > 0 ? [`${lost.templates} templates of ${lost.students} students have no key: restore the newest backup of schema keyring, or --drop-lost`] : []),
  ]
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

await run().catch((error: unknown) => {
  process.exitCode = 1
  if (REFUSALS.some((refusal) => error instanceof refusal)) process.stderr.write(`${(error as Error).message}\n`)
  else if (codeOf(error) === UNKNOWN_TABLE) process.stderr.write('the database has no shape of this version yet: start the server once, it brings it there\n')
  else if (error instanceof Usage || codeOf(error).startsWith('ERR_PARSE_ARGS')) process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
  else process.stderr.write(`${JSON.stringify({ event: 'templates_failed', ...describeFault(error) })}\n`)
})
