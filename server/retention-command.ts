/**
 * `npm run retention`: what a policy of so many months would drop from the record, and with --drop, dropping it.
 * Beside a running server or without one. Knows no month itself: db/retention.ts does.
 *
 * 0: told, or dropped; 1: refused, with one line why.
 */
import { parseArgs } from 'node:util'
import { DatabaseRefused } from '../db/connect.ts'
import { DataFolderRefused } from '../db/embedded.ts'
import { dropMonths, KEPT_MONTHS_LEAST, monthsBeyond, WHAT } from '../db/retention.ts'
import type { MonthBeyond, What } from '../db/retention.ts'
import { beyondRules, retentionRules } from '../db/retention-rules.ts'
import { ConfigRefused, readConfig } from './config.ts'
import type { Config } from './config.ts'
import { describeFault } from './log.ts'
import { NoRecord, openRecordBeside } from './record-beside.ts'

const USAGE = `npm run retention [-- --months N] [--drop] [--json]
npm run retention -- --rules [--json]

  Tells which months of the record are beyond the policy, and what is in them. Changes nothing.

  --months N   whole months before the running one that are kept, ${KEPT_MONTHS_LEAST} or more; default: RETENTION_MONTHS
  --drop       drops them, for good: marks with their corrections, doubts, watches and what was set aside
  --rules      tells instead what is beyond the rules for everything else, as the privacy officer has set them; the server
               erases it by itself, once a day
  --json       the same for a script

  With RETENTION_MONTHS set the server does this by itself, once a day.`

/** No policy, or one that cannot be. */
class PolicyRefused extends Error {
  override name = 'PolicyRefused'
}

const REFUSALS = [PolicyRefused, NoRecord, ConfigRefused, DatabaseRefused, DataFolderRefused]
const UNKNOWN_FUNCTION = '42883'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function run(): Promise<void> {
  const { values } = parseArgs({ options: { months: { type: 'string' }, drop: { type: 'boolean', default: false }, rules: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) return say(USAGE)
  const config = readConfig()
  if (values.rules) return sayRules(config, values)
  const keptMonths = policyOf(values.months, config)
  const { db, close } = await openRecordBeside(config)
  try {
    const now = new Date()
    const { before, months } = await monthsBeyond(db, { now, keptMonths })
    const dropped = values.drop ? await dropMonths(db, { now, keptMonths, by: 'command' }) : []
    if (values.json) return say(JSON.stringify({ kept_months: keptMonths, kept_from: before, months, dropped: values.drop ? dropped : undefined }))
    say(`Of today, ${now.toISOString().slice(0, 10)} by this machine's clock: ${keptMonths} whole months before this one are kept, from ${before} on.`)
    if (months.length === 0) return say('Nothing is older.')
    say(tableOf(months))
    say(values.drop ? `Dropped ${dropped.length === 1 ? '1 time' : `${dropped.length} times`}; what went is noted in table retention_runs.` : 'Nothing was dropped. --drop drops these, for good.')
  } finally {
    await close()
  }
}

async function sayRules(config: Config, { json, drop, months }: { json: boolean; drop: boolean; months?: string | undefined }): Promise<void> {
  if (drop || months !== undefined) throw new PolicyRefused('--rules tells, and changes nothing: leave --drop and --months out')
  const { db, close } = await openRecordBeside(config)
  try {
    const now = new Date()
    const beyond = await beyondRules(db, now)
    if (json) return say(JSON.stringify({ rules: Object.fromEntries(await retentionRules(db)), beyond }))
    if (beyond.length === 0) return say('Nothing is beyond the rules.')
    for (const { kind, days, rows } of beyond) say(`${kind.replaceAll('_', ' ')}: ${rows.toLocaleString('en-GB')} older than ${days} ${days === 1 ? 'day' : 'days'}`)
    say('Nothing was erased. The server erases these at its next daily round.')
  } finally {
    await close()
  }
}

function policyOf(months: string | undefined, config: Config): number {
  if (months === undefined) {
    if (config.retentionMonths === undefined) throw new PolicyRefused('everything is kept: neither RETENTION_MONTHS nor --months says for how many months')
    return config.retentionMonths
  }
  const keptMonths = /^\d{1,4}$/.test(months) ? Number(months) : Number.NaN
  if (!(keptMonths >= KEPT_MONTHS_LEAST)) throw new PolicyRefused(`--months ${months} must be a whole number, ${KEPT_MONTHS_LEAST} or more: marks are taken from 366 days back`)
  return keptMonths
}

const HEADINGS: Readonly<Record<What, string>> = { marks: 'marks', corrections: 'corrections', doubts: 'doubts', watches: 'watches', mark_ids: 'mark ids', set_aside: 'set aside' }

function tableOf(months: readonly MonthBeyond[]): string {
  const number = (n: number): string => n.toLocaleString('en-GB')
  const size = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`
  const sum = (of: (month: MonthBeyond) => number): number => months.reduce((all, month) => all + of(month), 0)
  const lines = [
    ['month', ...WHAT.map((what) => HEADINGS[what]), 'size'],
    ...months.map((month) => [month.month, ...WHAT.map((what) => number(month.rows[what])), month.partition === undefined ? 'gone before' : size(month.bytes)]),
    ['all', ...WHAT.map((what) => number(sum((month) => month.rows[what]))), size(sum((month) => month.bytes))],
  ]
  const widths = lines[0]?.map((_cell, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  return lines.map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')).join('\n')
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

await run().catch((error: unknown) => {
  process.exitCode = 1
  if (REFUSALS.some((refusal) => error instanceof refusal)) process.stderr.write(`${(error as Error).message}\n`)
  else if (codeOf(error) === UNKNOWN_FUNCTION) process.stderr.write('the database has no shape of this version yet: start the server once, it brings it there\n')
  else if (codeOf(error).startsWith('ERR_PARSE_ARGS')) process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
  else process.stderr.write(`${JSON.stringify({ event: 'retention_failed', ...describeFault(error) })}\n`)
})
