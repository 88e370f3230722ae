import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Problem } from '#contract/problem'
import { createApp } from '../app.ts'
import { listen } from '../listener.ts'
import { createRecorderApp } from '../recorder-app.ts'
import { startThrowawaySchool } from '../throwaway-school.ts'
import type { ThrowawaySchool } from '../throwaway-school.ts'
import { whileStarting } from './health.ts'

const NOW = new Date('2026-11-23T09:20:00Z')
let school: ThrowawaySchool

beforeAll(async () => {
  school = await startThrowawaySchool(() => NOW)
})
afterAll(() => school.stop())

interface App {
  request(path: string): Response | Promise<Response>
}
/** Statuses of the three, in this order. */
const statuses = async (app: App): Promise<number[]> => Promise.all(['/livez', '/readyz', '/health'].map(async (path) => (await app.request(path)).status))
const withStream = (answers: boolean): App => createApp({ ...school.parts, streamAnswers: async () => answers })
const recorder = (answers: boolean): App => createRecorderApp({ db: school.db, stopping: new AbortController().signal, streamAnswers: async () => answers, log: () => {} })

describe('a server', () => {
  it('lives before it is ready, and says so at its port', async () => {
    const listener = await listen('127.0.0.1', 0, whileStarting)
    const at = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${listener.port}${path}`)
    expect(await (await at('/livez')).json()).toEqual({ status: 'alive' })
    for (const path of ['/readyz', '/health', '/api/v1/schedule', '/']) {
      const response = await at(path)
      expect([response.status, response.headers.get('retry-after'), Problem.parse(await response.json()).code], path).toEqual([503, '2', 'busy'])
    }
    await listener.close(1_000)
  })

  it('ends each connection with its next answer before its port closes', async () => {
    const listener = await listen('127.0.0.1', 0, whileStarting)
    const connection = async (): Promise<string | null> => (await fetch(`http://127.0.0.1:${listener.port}/livez`)).headers.get('connection')
    expect(await connection()).toBe('keep-alive')
    listener.answerLast()
    expect(await connection()).toBe('close')
    await listener.close(1_000)
    await expect(connection()).rejects.toThrow()
  })

  it('is not ready from the moment that it stops, and still answers', async () => {
    const stopping = new AbortController()
    const app = createApp({ ...school.parts, stopping: stopping.signal })
    expect(await statuses(app)).toEqual([200, 200, 200])
    stopping.abort()
    expect(await statuses(app)).toEqual([200, 503, 200])
  })

  it('is ready while either PostgreSQL or the stream takes marks; a recorder only with both', async () => {
    expect(await statuses(school.app)).toEqual([200, 200, 200])
    expect(await statuses(withStream(false))).toEqual([200, 200, 200])
    expect(await statuses(recorder(true))).toEqual([200, 200, 200])
    expect(await statuses(recorder(false))).toEqual([200, 503, 200])
    await school.stopDatabase()
    expect(await statuses(school.app)).toEqual([200, 503, 503])
    expect(await statuses(withStream(true))).toEqual([200, 200, 503])
    expect(await statuses(withStream(false))).toEqual([200, 503, 503])
    expect(await statuses(recorder(true))).toEqual([200, 503, 503])
    await school.restartDatabase()
    await vi.waitFor(async () => expect(await statuses(school.app)).toEqual([200, 200, 200]), 10_000)
  })

  it('tells a proxy nothing that it may keep', async () => {
    for (const path of ['/livez', '/readyz', '/health']) expect((await school.app.request(path)).headers.get('cache-control')).toBe('no-store')
  })
})
