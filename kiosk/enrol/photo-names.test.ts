import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sortPhotos } from './photo-names.ts'

const known = new Set(['S001', 'S002', 'S010', 'IT-24', 'S001_9'])

test('A photo named after a student is that student’s', () => {
  expect(sortPhotos(['S002.jpg', 'S001.JPEG'], known).students).toEqual([
    { studentId: 'S001', paths: ['S001.JPEG'] },
    { studentId: 'S002', paths: ['S002.jpg'] },
  ])
})

test('Further photos follow the main one, in the order of their numbers', () => {
  expect(sortPhotos(['S001_10.jpg', 'S001_2.jpg', 'S001-b.png', 'S001.jpg'], known).students).toEqual([
    { studentId: 'S001', paths: ['S001.jpg', 'S001_2.jpg', 'S001_10.jpg', 'S001-b.png'] },
  ])
})

test('An id with a dash in it is not cut, and neither is a student whose id looks like a further photo', () => {
  expect(sortPhotos(['IT-24.jpg', 'IT-24_2.jpg', 'S001_9.jpg'], known).students).toEqual([
    { studentId: 'IT-24', paths: ['IT-24.jpg', 'IT-24_2.jpg'] },
    { studentId: 'S001_9', paths: ['S001_9.jpg'] },
  ])
})

test('Every photo in a folder named after a student is that student’s, whatever it is called', () => {
  expect(sortPhotos(['S010/front.jpg', 'S010/S002.jpg'], known).students).toEqual([{ studentId: 'S010', paths: ['S010/front.jpg', 'S010/S002.jpg'] }])
})

test('A photo of nobody the school knows is refused by name', () => {
  const { students, refused } = sortPhotos(['S999.jpg', 'holiday/beach.jpg'], known)
  expect(students).toEqual([])
  expect(refused).toEqual([
    { path: 'holiday/beach.jpg', why: expect.stringContaining('no student holiday') },
    { path: 'S999.jpg', why: expect.stringContaining('no student S999') },
  ])
})

test('An id in the wrong case is refused with the right one', () => {
  expect(sortPhotos(['s001.jpg'], known).refused[0]?.why).toContain('S001')
})

test('A student’s file that is no photo is refused; a list or a hidden file is left alone', () => {
  expect(sortPhotos(['S001.heic', 'students.csv', '.DS_Store', 'Thumbs.db', 'S001/.hidden.jpg'], known)).toEqual({
    students: [],
    refused: [{ path: 'S001.heic', why: expect.stringContaining('JPEG') }],
    ignored: expect.arrayContaining(['students.csv', '.DS_Store', 'Thumbs.db', 'S001/.hidden.jpg']),
  })
})

test('Whatever the names, every file is taken, refused or left alone, once', () => {
  const part = fc.stringMatching(/^[A-Za-z0-9._-]{1,8}$/)
  const path = fc.oneof(part, fc.tuple(part, part).map((parts) => parts.join('/')), fc.constantFrom('S001.jpg', 'S001_1.png', 'S002/a.jpg', 'S001.txt'))
  fc.assert(
    fc.property(fc.uniqueArray(path), (paths) => {
      const { students, refused, ignored } = sortPhotos(paths, known)
      const out = [...students.flatMap((s) => s.paths), ...refused.map((r) => r.path), ...ignored]
      expect(out.toSorted()).toEqual(paths.toSorted())
      expect(students.every(({ studentId }) => known.has(studentId))).toBe(true)
    }),
  )
})
