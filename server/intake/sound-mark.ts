/**
 * A record as the contract reads it, at the price of a look: nearly every record is sound, and what it has in common with the one
 * before it was looked at there. Says yes only where the contract does, with the same mark; of all else the contract is asked, and names the fault.
 */
import { z } from 'zod'
import { Doubt, MarkMethod, MAX_CLOCK_OFFSET_MS } from '#contract/attendance'
import type { AttendanceRecord } from '#contract/attendance'
import { ModelId } from '#contract/model'
import type { NewMark } from '../../db/marks.ts'

export type Sender = Pick<NewMark, 'device_id' | 'store_id'>

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const INSTANT = z.regexes.datetime({ offset: true })
const DATE = z.regexes.date
const UUID = z.regexes.uuid()
const MODELS = new Set<unknown>(ModelId.options)
const METHODS = new Set<unknown>(MarkMethod.options)
const DOUBTS = new Set<unknown>(Doubt.options)
const LARGEST_SEQUENCE = 2_147_483_646

/** Undefined: ask the contract. `before`: a mark of the same batch. */
export function soundMark(raw: unknown, from: Sender, before: NewMark | undefined): NewMark | undefined {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return undefined
  const r = raw as { [Key in keyof AttendanceRecord]: unknown }
  const isSound = isText(r.student_id, ID)
    && ((before !== undefined && r.course_id === before.course_id) || isText(r.course_id, ID))
    && isText(r.timestamp, INSTANT)
    && typeof r.confidence === 'number' && r.confidence >= 0 && r.confidence <= 1
    && (r.mark_id === undefined || isText(r.mark_id, UUID))
    && (r.lesson_id === undefined || r.lesson_id === before?.lesson_id || isText(r.lesson_id, ID))
    && (r.held_on === undefined || r.held_on === before?.held_on || isText(r.held_on, DATE))
    && (r.lesson_id === undefined) === (r.held_on === undefined)
    && (r.model === undefined || MODELS.has(r.model))
    && (r.method === undefined || METHODS.has(r.method))
    && (r.doubt === undefined || DOUBTS.has(r.doubt))
    && (r.sequence === undefined || isWhole(r.sequence, 1, LARGEST_SEQUENCE))
    && (r.clock_offset_ms === undefined || isWhole(r.clock_offset_ms, -MAX_CLOCK_OFFSET_MS, MAX_CLOCK_OFFSET_MS))
  return isSound ? markOf(r as AttendanceRecord, from) : undefined
}

/** All marks have the same members in the same order, the contract's: they are read several times faster, and the very same mark has the same JSON. */
export function markOf(record: AttendanceRecord, { device_id, store_id }: Sender): NewMark {
  return {
    student_id: record.student_id,
    course_id: record.course_id,
    timestamp: record.timestamp,
    confidence: record.confidence,
    mark_id: record.mark_id,
    lesson_id: record.lesson_id,
    held_on: record.held_on,
    model: record.model,
    method: record.method,
    doubt: record.doubt,
    sequence: record.sequence,
    clock_offset_ms: record.clock_offset_ms,
    device_id,
    store_id,
  } satisfies Record<keyof NewMark, unknown>
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}
