/**
 * `npm run audit`: where the audit log ends, and with --verify whether any row of it was altered, taken away, added or moved.
 * Beside a running server or without one; changes nothing in the record. Knows no rule of the chain: db/audit-chain.ts does.
 *
 * 0: told, or whole; 1: refused, with one line why; 2: not whole.
 */
import { parseArgs } from 'node:util'
import { auditHead, checkAudit } from '../db/audit.ts'
import { DatabaseRefused } from '../db/connect.ts'
import { DataFolderRefused } from '../db/embedded.ts'
import { HeadFileRefused, keepHead, keptHeads } from './audit-head.ts'
import { ConfigRefused, readConfig } from './config.ts'
import { heldSchoolKey, SchoolKeyMissing } from './held-school-key.ts'
import { describeFault } from './log.ts'
import { NoRecord, openRecordBeside } from './record-beside.ts'
import { DataDirRefused } from './secrets.ts'

const USAGE = `npm run audit [-- --verify [--head FILE]] [--json]

  Tells how far the audit log goes.

  --verify      checks every row: none altered, missing, added or out of order. Needs the school's key, as the server has it
                (SCHOOL_KEY, or secrets.json in DATA_DIR; SCHOOL_KEY_BEFORE while it is being changed)
  --head FILE   compares with every head that is kept in FILE, which finds rows cut off the end; where all is well the head
                of today is added to it. FILE may be the server's AUDIT_HEAD_FILE, a copy of it, or the server's log
  --json        the same for a script

  Ends with 0 where the log is whole and with 2 where it is not.`

class Usage extends Error {
  override name = 'Usage'
}

const REFUSALS = [SchoolKeyMissing, NoRecord, HeadFileRefused, ConfigRefused, DataDirRefused, DatabaseRefused, DataFolderRefused]
const UNKNOWN_TABLE = '42P01'
const NOT_WHOLE = 2

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function run(): Promise<void> {
  const { values } = parseArgs({ options: { verify: { type: 'boolean', default: false }, head: { type: 'string' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) return say(USAGE)
  if (values.head !== undefined && !values.verify) throw new Usage('--head goes with --verify')
  const config = readConfig()
  const key = values.verify ? await heldSchoolKey(config, 'the log is checked with') : undefined
  const heads = values.head === undefined ? [] : await keptHeads(values.head)
  const { db, close } = await openRecordBeside(config)
  try {
    const end = await auditHead(db)
    if (!key) return say(values.json ? JSON.stringify({ head: end ?? null }) : end ? `The audit log ends at row ${end.seq}, of ${end.at}.` : 'The audit log is empty.')
    const report = await checkAudit(db, [key.derive('audit'), ...(key.deriveBefore ? [key.deriveBefore('audit')] : [])], heads)
    const whole = report.faults.length === 0
    if (!whole) process.exitCode = NOT_WHOLE
    // The head of the moment before the check, which the check has then covered.
    else if (values.head !== undefined && end && heads.at(-1)?.seq !== end.seq) await keepHead(values.head, end)
    if (values.json) return say(JSON.stringify({ whole, rows: report.rows, first: report.first ?? null, head: report.head ?? null, by_digest_alone: report.byDigestAlone, heads_compared: report.headsCompared, faults: report.faults }))
    say(`${report.rows} ${report.rows === 1 ? 'row' : 'rows'}${report.first !== undefined && report.first > 1 ? `, from row ${report.first} on: those before it were taken away, as the log says` : ''}.`)
    if (report.byDigestAlone > 0) say(`${report.byDigestAlone} of them were written under a key that is gone; they are checked by what the first row after them binds.`)
    if (values.head !== undefined) say(`${report.headsCompared} of ${heads.length} kept heads compared${heads.length > report.headsCompared ? '; the others are of rows that are gone' : ''}.`)
    else say('No kept head was compared (--head FILE): rows cut off the end would not be missed.')
    for (const { says } of report.faults) say(`NOT WHOLE: ${says}`)
    if (whole) say(`Whole: no row was altered, taken away, added or moved${report.head ? `. It ends at row ${report.head.seq}, ${report.head.hash.slice(0, 16)}...` : ''}`)
  } finally {
    await close()
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

await run().catch((error: unknown) => {
  process.exitCode = 1
  if (REFUSALS.some((refusal) => error instanceof refusal)) process.stderr.write(`${(error as Error).message}\n`)
  else if (codeOf(error) === UNKNOWN_TABLE) process.stderr.write('the database has no shape of this version yet: start the server once, it brings it there\n')
  else if (error instanceof Usage || codeOf(error).startsWith('ERR_PARSE_ARGS')) process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
  else process.stderr.write(`${JSON.stringify({ event: 'audit_failed', ...describeFault(error) })}\n`)
})
