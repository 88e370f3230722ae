import { expect, it } from 'vitest'
import { createLog, describeFault } from './log.ts'

it('a fault is told without the value that PostgreSQL could not read, and without the query that held it', () => {
  const inner = Object.assign(new Error('invalid input syntax for type date: "Amina Yusuf\n was here"'), { code: '22007', query: 'SELECT secret' })
  const lines: string[] = []
  createLog((line) => lines.push(line), () => new Date(0))({ event: 'request_failed', ...describeFault(new Error('Failed query: secret', { cause: inner })) })
  expect(lines.join('')).not.toMatch(/Amina|was here|secret/)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'request_failed', code: '22007', message: 'invalid input syntax for type date: (a value)' })
})
