/** What one endpoint promises, in the contract's own schemas: a row of the tables beside this file. Knows no JSON Schema and no route's code. */
import type { ZodObject, ZodType } from 'zod'
import type { ProblemCode } from '#contract/problem'
import type { Who } from '../identity.ts'

/** `everybody`: nobody need say who they are. `monitor`: METRICS_KEY or the API key. */
export type For = Who | 'everybody' | 'monitor'

export interface Answer {
  says: string
  /** Undefined: no body, or one of another type than JSON. */
  schema?: ZodType
  /** A body that is no JSON. */
  type?: string | readonly string[]
  headers?: Readonly<Record<string, string>>
  example?: unknown
}

export interface Operation {
  method: 'get' | 'post' | 'put' | 'delete'
  /** As OpenAPI writes it: `/api/v1/rooms/{room_id}`. */
  path: string
  summary: string
  /** What the summary does not say. */
  more?: string
  who: readonly For[]
  params?: ZodObject
  query?: ZodObject
  headers?: Readonly<Record<string, string>>
  body?: ZodType
  /** A body may be left out. */
  bodyOptional?: true
  answers: Readonly<Record<number, Answer>>
  /** Codes beyond those that follow from who may ask, and from what is sent. */
  problems?: readonly ProblemCode[]
  /** A request that works at the demo school; its answer is the example of the first of `answers`. */
  example?: { params?: Readonly<Record<string, string>>; query?: Readonly<Record<string, string>>; body?: unknown }
}

export const STAFF = ['script', 'office', 'teacher'] as const satisfies readonly For[]
export const OFFICE = ['script', 'office'] as const satisfies readonly For[]
export const KEEPERS = ['script', 'office', 'privacy'] as const satisfies readonly For[]
export const PRIVACY = ['privacy'] as const satisfies readonly For[]
export const EVERYBODY = ['everybody'] as const satisfies readonly For[]
