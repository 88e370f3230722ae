/**
 * Faults as one JSON line each on stderr, for whoever runs the school's server.
 * A line never holds a name, a key, a password or a template: so never a query's values either.
 */
import { innermost } from './database-fault.ts'

export interface LogEvent {
  event: string
  [detail: string]: string | number | boolean | undefined
}
export type Log = (event: LogEvent) => void

export function createLog(write: (line: string) => void, now: () => Date): Log {
  return (event) => write(`${JSON.stringify({ at: now().toISOString(), ...event })}\n`)
}

const FRAMES = 5

/** What may be told of an error: its kind, code, message and place, taken from the innermost cause (a query builder's own message repeats the values). */
export function describeFault(error: unknown): { fault: string; code?: string; message: string; at?: string } {
  const inner = innermost(error)
  if (!(inner instanceof Error)) return { fault: typeof inner, message: 'something that is not an Error was thrown' }
  const frames = inner.stack?.split('\n').filter((line) => /^\s+at /.test(line)).slice(0, FRAMES).map((line) => line.trim())
  return {
    fault: inner.name,
    ...('code' in inner && typeof inner.code === 'string' ? { code: inner.code } : {}),
    message: withoutValue(inner.message),
    ...(frames ? { at: frames.join(' < ') } : {}),
  }
}

/** PostgreSQL ends the message about a value that it cannot read with the value: `invalid input syntax for type date: "..."`. */
function withoutValue(message: string): string {
  return message.replace(/: ".*$/s, ': (a value)')
}
