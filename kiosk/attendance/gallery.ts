/**
 * The roster's templates as one packed matrix, a row a student, so that a probe is compared with
 * the whole lesson in one pass. Knows no screen, storage or network.
 */
import { EMBEDDING_LENGTH, type ModelId } from '#contract/model'
import type { RosterStudent } from '#contract/schedule'

export interface Gallery {
  readonly model: ModelId
  /** Student of each row. */
  readonly studentIds: readonly string[]
  /** studentIds.length x EMBEDDING_LENGTH[model], each row of unit length. */
  readonly rows: Float32Array
}

/**
 * One row a student: the mean of their templates, made unit length again. Averaging what several
 * photos agree on separates people better than the best of them does: chance likenesses of single
 * photos cancel out. Templates of another model are left out, never compared.
 */
export function packGallery(students: readonly RosterStudent[], model: ModelId): Gallery {
  const length = EMBEDDING_LENGTH[model]
  const studentIds: string[] = []
  const rows: number[] = []
  for (const student of students) {
    const usable = student.templates.filter((template) => template.model === model && template.embedding.length === length)
    if (usable.length === 0) continue
    const mean = new Float32Array(length)
    for (const { embedding } of usable) for (let i = 0; i < length; i++) mean[i]! += embedding[i]!
    if (!normalise(mean)) continue
    studentIds.push(student.student_id)
    rows.push(...mean)
  }
  return { model, studentIds, rows: Float32Array.from(rows) }
}

/** Cosine of `probe` (unit length) with every row: [students], -1 to 1. */
export function scoreGallery(gallery: Gallery, probe: Float32Array): Float32Array {
  const length = EMBEDDING_LENGTH[gallery.model]
  if (probe.length !== length) throw new RangeError(`a probe of model ${gallery.model} has ${length} numbers, got ${probe.length}`)
  const scores = new Float32Array(gallery.studentIds.length)
  for (let row = 0, at = 0; row < scores.length; row++) {
    let dot = 0
    for (let i = 0; i < length; i++) dot += gallery.rows[at++]! * probe[i]!
    scores[row] = dot
  }
  return scores
}

/** Scales to unit length in place; false (and untouched) for a vector without direction. */
export function normalise(vector: Float32Array): boolean {
  const norm = Math.hypot(...vector)
  if (!(norm > 1e-6) || !Number.isFinite(norm)) return false
  for (let i = 0; i < vector.length; i++) vector[i]! /= norm
  return true
}
