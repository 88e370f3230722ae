/**
 * An answer held against the document: every object closed, so that it may hold nothing that the document does not name. Clients get the open one.
 * For tests and the fuzz alone.
 */
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { JsonSchema } from './schemas.ts'

/** @throws for what is no JSON Schema */
export function openStrict(components: Readonly<Record<string, JsonSchema>>): (schema: unknown) => ValidateFunction {
  const ajv = addFormats.default(new Ajv2020({ strict: true, strictTypes: false, allErrors: true }))
  ajv.addFormat('base64', /^[A-Za-z0-9+/]*={0,2}$/)
  const made = new Map<unknown, ValidateFunction>()
  return (schema) => {
    const known = made.get(schema) ?? ajv.compile(closed(schema, components) as object)
    made.set(schema, known)
    return known
  }
}

/** Follows $ref, so that one schema stands for itself; the contract has no circles. */
function closed(schema: unknown, components: Readonly<Record<string, JsonSchema>>, isPart = false): unknown {
  if (Array.isArray(schema)) return schema.map((one) => closed(one, components))
  if (typeof schema !== 'object' || schema === null) return schema
  const { $ref, ...node } = schema as JsonSchema
  if (typeof $ref === 'string') return closed(components[$ref.slice($ref.lastIndexOf('/') + 1)], components)
  const made: JsonSchema = {}
  for (const [key, value] of Object.entries(node)) {
    if (key === 'allOf') made[key] = (value as unknown[]).map((one) => closed(one, components, true))
    else if (key === 'properties') made[key] = Object.fromEntries(Object.entries(value as object).map(([name, one]) => [name, closed(one, components)]))
    else made[key] = key === 'enum' || key === 'const' || key === 'default' ? value : closed(value, components)
  }
  if ('properties' in made && !('additionalProperties' in made) && !isPart) made.additionalProperties = false
  return made
}
