/** What is sealed opens for its own row alone, even where the key is right: each part of the binding counts by itself. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { openFace, openTemplate, sealFace, sealTemplate } from './sealed-templates.ts'
import { KEY_BYTES } from './sealing.ts'

const KEY = randomBytes(KEY_BYTES)
const ROW = { template_id: '0195c1f0-0000-7000-8000-000000000001', student_id: 'S001', model: 'mobilefacenet-192-r1' }
const VECTOR = Float32Array.from({ length: 192 }, (_, i) => i / 192)

test('a template opens for its student, its model and its row, and under the same key for no other one of them', () => {
  const sealed = sealTemplate(KEY, ROW, VECTOR)
  expect(openTemplate(KEY, ROW, sealed)).toEqual(VECTOR)
  for (const other of [{ student_id: 'S002' }, { model: 'faceres-1024-r1' }, { template_id: '0195c1f0-0000-7000-8000-000000000002' }]) {
    expect(openTemplate(KEY, { ...ROW, ...other }, sealed), JSON.stringify(other)).toBeUndefined()
  }
  expect(openTemplate(randomBytes(KEY_BYTES), ROW, sealed)).toBeUndefined()
})

test('a mean face opens for its student and its model, and under the same key for no other one of them, nor as a template', () => {
  const sealed = sealFace(KEY, ROW.student_id, ROW.model, VECTOR)
  expect(openFace(KEY, ROW.student_id, ROW.model, sealed)).toEqual(VECTOR)
  expect(openFace(KEY, 'S002', ROW.model, sealed)).toBeUndefined()
  expect(openFace(KEY, ROW.student_id, 'faceres-1024-r1', sealed)).toBeUndefined()
  expect(openFace(randomBytes(KEY_BYTES), ROW.student_id, ROW.model, sealed)).toBeUndefined()
  expect(openTemplate(KEY, ROW, sealed)).toBeUndefined()
})

test('a template with any one bit turned does not open', () => {
  const sealed = sealTemplate(KEY, ROW, VECTOR)
  for (let byte = 0; byte < sealed.length; byte++) {
    const turned = Buffer.from(sealed)
    turned[byte] = (turned[byte] ?? 0) ^ (1 << byte % 8)
    expect(openTemplate(KEY, ROW, turned), `byte ${byte}`).toBeUndefined()
  }
})
