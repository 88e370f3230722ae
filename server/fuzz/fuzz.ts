/** `npm run fuzz -- --requests 50000 [--seed N] [--json]`: asks every endpoint of the OpenAPI document for everything, sound and spoilt; exit 1 where an answer is not as the document says. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { fuzz } from './run.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const Whole = z.coerce.number().pipe(z.int().min(1).max(10_000_000))
const { values } = parseArgs({ options: { requests: { type: 'string', default: '50000' }, seed: { type: 'string', default: '1' }, json: { type: 'boolean', default: false } } })
const asked = z.object({ requests: Whole, seed: Whole }).safeParse(values)
if (asked.success) {
  const report = await fuzz({ ...asked.data, say: values.json ? () => {} : say })
  if (values.json) say(JSON.stringify(report))
  else {
    say(`\n${report.requests} requests of seed ${report.seed} in ${report.seconds} s to ${report.schools} schools; ${report.succeeded} of ${report.operations} operations were met with success; the slowest answer took ${report.slowestMs} ms.`)
    say(`By status: ${Object.entries(report.statuses).map(([status, count]) => `${status === '0' ? 'none' : status} ${count}`).join(', ')}.`)
    say(`By what was spoilt: ${Object.entries(report.spoilt).map(([kind, count]) => `${kind} ${count}`).join(', ')}.`)
    if (report.unmet.length > 0) say(`Never with success: ${report.unmet.join(', ')}.`)
    say(`${report.faults.length} faults.`)
    for (const { operation, asker, spoilt, what, curl, times } of report.faults) say(`\n${operation} (${asker}, ${spoilt}, ${times} times): ${what}\n  ${curl}`)
  }
  if (report.faults.length > 0) process.exitCode = 1
} else {
  say(asked.error.issues.map(({ path }) => `--${path.join('.')} must be a whole number from 1 on`).join('\n'))
  process.exitCode = 2
}
