import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMBEDDING_LENGTH, modelIds } from '#contract/model'
import type { ModelId } from '#contract/model'
import { packGallery, scoreGallery } from './gallery.ts'
import type { Enrolled } from './gallery.ts'

const axis = (model: ModelId, at: number): number[] => Array.from({ length: EMBEDDING_LENGTH[model] }, (_, i) => (i === at ? 1 : 0))

/** For each student the axes of their templates, by model; the same axis in both models, so that only the name tells them apart. */
const classes = fc.array(fc.record({ first: fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 2 }), second: fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 2 }) }), { minLength: 1, maxLength: 6 })

function student(id: number, { first, second }: { first: number[]; second: number[] }): Enrolled {
  const of = (model: ModelId) => (at: number) => ({ model, embedding: axis(model, at) })
  return { student_id: `S${id}`, templates: [...first.map(of('mobilefacenet-192-r1')), ...second.map(of('faceres-1024-r1'))] }
}

test('a face is scored as if the other model\'s templates were not there, whoever is enrolled with which', () => {
  fc.assert(
    fc.property(classes, fc.constantFrom(...modelIds), fc.integer({ min: 0, max: 20 }), (members, model, at) => {
      const students = members.map((member, id) => student(id, member))
      const gallery = packGallery(students, model)
      const own = members.map((member) => (model === 'mobilefacenet-192-r1' ? member.first : member.second))
      expect(gallery.studentIds).toEqual(own.flatMap((axes, id) => (axes.length > 0 ? [`S${id}`] : [])))
      const alone = packGallery(students.map((one) => ({ ...one, templates: one.templates.filter((template) => template.model === model) })), model)
      const probe = Float32Array.from(axis(model, at))
      expect(scoreGallery(gallery, probe)).toEqual(scoreGallery(alone, probe))
      // The comparison compares: whose template it is scores above whoever else's.
      const scores = [...scoreGallery(gallery, probe)]
      const mine = gallery.studentIds.map((id) => own[Number(id.slice(1))]?.includes(at) ?? false)
      const [best, worst] = [Math.min(...scores.filter((_, row) => mine[row])), Math.max(...scores.filter((_, row) => !mine[row]))]
      expect(best).toBeGreaterThan(worst)
    }),
  )
})

test('a face of one model cannot be scored against a gallery of the other', () => {
  fc.assert(
    fc.property(classes, fc.constantFrom(...modelIds), (members, model) => {
      const gallery = packGallery(members.map((member, id) => student(id, member)), model)
      const other = modelIds.find((id) => id !== model) ?? model
      expect(() => scoreGallery(gallery, Float32Array.from(axis(other, 0)))).toThrow(RangeError)
    }),
  )
})
