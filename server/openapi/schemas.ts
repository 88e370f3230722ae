/** The contract's zod schemas as JSON Schema 2020-12: each exported object under its own name, once for what is sent and once for what is answered. */
import { z } from 'zod'
import type { ZodObject, ZodType } from 'zod'
import * as account from '#contract/account'
import * as attendance from '#contract/attendance'
import * as audit from '#contract/audit'
import * as card from '#contract/card'
import * as consent from '#contract/consent'
import * as device from '#contract/device'
import * as kiosks from '#contract/kiosks'
import * as lookAlike from '#contract/look-alike'
import * as markCheck from '#contract/mark-check'
import { PackedEmbedding } from '#contract/model'
import * as pairing from '#contract/pairing'
import * as people from '#contract/people'
import * as policy from '#contract/policy'
import * as problem from '#contract/problem'
import * as recognition from '#contract/recognition'
import * as register from '#contract/register'
import * as report from '#contract/report'
import * as rooms from '#contract/rooms'
import * as rotation from '#contract/rotation'
import * as schedule from '#contract/schedule'
import * as setAside from '#contract/set-aside'

export type JsonSchema = { [key: string]: unknown }
type Direction = 'input' | 'output'

const CONTRACT: readonly object[] = [problem, schedule, attendance, device, register, people, lookAlike, recognition, report, rooms, kiosks, setAside, pairing, policy, card, consent, audit, account, markCheck, rotation]

/** Where a name is taken by what is sent, and what is answered differs from it. */
const AS_SENT = 'AsSent'

const place = (name: string): string => `#/components/schemas/${name}`

/** What a roster's template is made of, by "and": it stands in the place where it is used. */
const NAMELESS = new Set<unknown>([PackedEmbedding])

/** What is worth a name: an object. Of two names of one schema the first counts. */
function named(): Map<string, ZodType> {
  const found = new Map<string, ZodType>()
  const known = new Set(NAMELESS)
  for (const exported of CONTRACT) {
    for (const [name, schema] of Object.entries(exported)) {
      if (!(schema instanceof z.ZodObject) || known.has(schema)) continue
      if (found.has(name)) throw new Error(`two schemas of the contract are called ${name}`)
      known.add(schema)
      found.set(name, schema)
    }
  }
  return found
}

/** Answers are open: a newer server may say more, and a client that fails at it would keep the school from updating. */
function override({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: JsonSchema }): void {
  if (zodSchema._zod.def.type === 'object' && zodSchema._zod.def.catchall === undefined) delete jsonSchema.additionalProperties
}

const options = (io: Direction) => ({ target: 'draft-2020-12', io, unrepresentable: 'any', override }) as const

const inline = (schema: ZodType, io: Direction): JsonSchema => {
  const { $schema: _, ...made } = z.toJSONSchema(schema, options(io)) as JsonSchema
  return made
}

export interface Schemas {
  /** A schema to stand in the document: a $ref where it has a name. */
  of(schema: ZodType, io: Direction): JsonSchema
  /** By name, all that are referred to. */
  components: Record<string, JsonSchema>
}

/** Of all that is sent and all that is answered. */
export function openSchemas(sent: readonly ZodType[], answered: readonly ZodType[]): Schemas {
  const names = named()
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of names) registry.add(schema as ZodObject, { id })
  const madeOf = (io: Direction) => z.toJSONSchema(registry, { ...options(io), uri: place }).schemas as Record<string, JsonSchema>
  const made = { input: madeOf('input'), output: madeOf('output') }
  const nameOf = new Map([...names].map(([name, schema]) => [schema, name]))
  const used = { input: new Set<string>(), output: new Set<string>() }

  const use = (name: string, io: Direction): void => {
    if (used[io].has(name)) return
    used[io].add(name)
    for (const other of referred(made[io][name])) use(other, io)
  }
  for (const [io, schemas] of [['input', sent], ['output', answered]] as const) {
    for (const schema of schemas) {
      const name = nameOf.get(schema)
      if (name !== undefined) use(name, io)
    }
  }

  /** Down to what it refers to. */
  const differs = (name: string, seen = new Set<string>()): boolean => {
    if (seen.has(name)) return false
    seen.add(name)
    return JSON.stringify(made.input[name]) !== JSON.stringify(made.output[name]) || referred(made.input[name]).some((other) => differs(other, seen))
  }
  const nameSent = (name: string): string => (used.output.has(name) && differs(name) ? `${name}${AS_SENT}` : name)

  const components: Record<string, JsonSchema> = {}
  for (const io of ['output', 'input'] as const) {
    for (const name of used[io]) {
      const { $schema: _s, $id: _i, ...schema } = made[io][name] ?? {}
      components[io === 'input' ? nameSent(name) : name] = io === 'input' ? (renamed(schema, nameSent) as JsonSchema) : schema
    }
  }

  return {
    of(schema, io) {
      const name = nameOf.get(schema)
      return name === undefined ? inline(schema, io) : { $ref: place(io === 'input' ? nameSent(name) : name) }
    },
    components,
  }
}

/** One for each member. What a number is read from is text in an address: told is what comes out of it. */
export function members(schema: ZodObject): { name: string; required: boolean; schema: JsonSchema }[] {
  return Object.entries(schema.shape).map(([name, member]) => ({ name, required: !(member as ZodType).safeParse(undefined).success, schema: inline(member as ZodType, 'output') }))
}

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => renamed(one, rename))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, key === '$ref' && typeof one === 'string' ? place(rename(nameIn(one))) : renamed(one, rename)]))
}

const nameIn = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)

function referred(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(referred)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => (key === '$ref' && typeof one === 'string' ? [nameIn(one)] : referred(one)))
}
