/** A template, or a student's mean face, sealed under the student's key: each opens for that student, model and row alone. Knows no table. */
import type { ModelId } from '#contract/model'
import { open, seal } from './sealing.ts'

export interface TemplateRow {
  template_id: string
  student_id: string
  model: string
}

/** A template as the record holds it: turned by the school's rotation. */
export interface TurnedTemplate {
  model: ModelId
  embedding: Float32Array
}

export function sealTemplate(key: Buffer, row: TemplateRow, embedding: Float32Array): Buffer {
  return seal(key, templateBinding(row), bytesOf(embedding))
}

/** Undefined: another's key, another's row, or altered. */
export function openTemplate(key: Buffer, row: TemplateRow, sealed: Buffer): Float32Array | undefined {
  return numbersOf(open(key, templateBinding(row), sealed))
}

export function sealFace(key: Buffer, studentId: string, model: string, face: Float32Array): Buffer {
  return seal(key, ['face', studentId, model], bytesOf(face))
}

export function openFace(key: Buffer, studentId: string, model: string, sealed: Buffer): Float32Array | undefined {
  return numbersOf(open(key, ['face', studentId, model], sealed))
}

function templateBinding({ student_id, model, template_id }: TemplateRow): string[] {
  return ['template', student_id, model, template_id]
}

/** float32 little-endian, as every machine that runs this is. */
function bytesOf(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
}

/** A copy, because a float's bytes must begin at a multiple of four. */
export function numbersOf(bytes: Buffer): Float32Array
export function numbersOf(bytes: Buffer | undefined): Float32Array | undefined
export function numbersOf(bytes: Buffer | undefined): Float32Array | undefined {
  return bytes && new Float32Array(new Uint8Array(bytes).buffer)
}
