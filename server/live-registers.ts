/**
 * Who waits for which register to change: one LISTEN on PostgreSQL for everybody who watches.
 * Knows no register's content and no HTTP.
 */
import { watchRegisters } from '../db/registers.ts'
import type { Database } from '../db/connect.ts'

export interface LessonKey {
  held_on: string
  lesson_id: string
}

export interface LiveRegisters {
  /** `wake` is called at every change of that lesson's register, perhaps several times. @returns how to stop watching. */
  watch(key: LessonKey, wake: () => void): Promise<() => void>
  readonly watchers: number
  close(): Promise<void>
}

export function createLiveRegisters(db: Database): LiveRegisters {
  const wakers = new Map<string, Set<() => void>>()
  let listening: Promise<() => Promise<void>> | undefined
  const name = ({ held_on, lesson_id }: LessonKey): string => `${held_on} ${lesson_id}`

  async function listen(): Promise<void> {
    listening ??= watchRegisters(db, (key) => {
      for (const wake of wakers.get(name(key)) ?? []) wake()
    })
    try {
      await listening
    } catch (error) {
      listening = undefined
      throw error
    }
  }

  return {
    async watch(key, wake) {
      await listen()
      const waiting = wakers.get(name(key)) ?? new Set()
      wakers.set(name(key), waiting.add(wake))
      return () => {
        waiting.delete(wake)
        if (waiting.size === 0 && wakers.get(name(key)) === waiting) wakers.delete(name(key))
      }
    },
    get watchers() {
      return [...wakers.values()].reduce((sum, waiting) => sum + waiting.size, 0)
    },
    async close() {
      const stop = await listening?.catch(() => undefined)
      listening = undefined
      await stop?.()
    },
  }
}
