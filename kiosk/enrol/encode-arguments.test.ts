import { expect, test } from 'vitest'
import { CannotTry, readArguments } from './encode-arguments.ts'

const consent = ['--consent', 'signed form']

test('Nothing that stores is begun without a consent that says something', () => {
  for (const argv of [['--batch', 'photos'], ['--student', 'S999', '--image', 'a.jpg'], ['--batch', 'photos', '--consent', '  ']]) {
    expect(() => readArguments(argv)).toThrow(/--consent/)
  }
})

test('A check stores nothing and needs no consent', () => {
  expect(readArguments(['--verify', 'S999']).task).toEqual({ task: 'verify', studentId: 'S999', image: undefined })
  expect(readArguments(['--verify', 'S999', '--image', 'x.jpg']).task).toEqual({ task: 'verify', studentId: 'S999', image: 'x.jpg' })
})

test('The list of who must be enrolled again takes no consent and no second task', () => {
  expect(readArguments(['--list-outdated']).task).toEqual({ task: 'list-outdated' })
  expect(() => readArguments(['--list-outdated', '--verify', 'S1'])).toThrow(/Say one of/)
})

test('The consent on the command line says who gave it, or that it came from there', () => {
  expect(readArguments(['--batch', 'p', ...consent]).task).toMatchObject({ consent: { statement: 'signed form', given_by: '--consent on the command line' } })
  expect(readArguments(['--batch', 'p', ...consent, '--given-by', 'Eva Ek']).task).toMatchObject({ consent: { given_by: 'Eva Ek' } })
  expect(readArguments(['--batch', 'p', ...consent, '--given-by', 'Eva Ek', '--guardian', 'mother']).task).toMatchObject({ consent: { given_by: 'Eva Ek', giver: 'guardian', relationship: 'mother' } })
  for (const half of [['--guardian', 'mother'], ['--guardian', ' ', '--given-by', 'Eva Ek']]) expect(() => readArguments(['--batch', 'p', ...consent, ...half])).toThrow(/--guardian says/)
})

test('A student may have several photos and a name of several words', () => {
  const { task, server } = readArguments(['--student', 'S999', '--image', 'a.jpg', '--image', 'b.jpg', '--name', 'Anna Maria Lind', '--server', 'http://school:8000/', ...consent])
  expect(task).toMatchObject({ images: ['a.jpg', 'b.jpg'], name: { first_name: 'Anna Maria', last_name: 'Lind' } })
  expect(server).toBe('http://school:8000')
})

test('What cannot be meant is refused with what to write instead', () => {
  const wrong: [string[], RegExp][] = [
    [['--nonsense'], /--help/],
    [['photos'], /--help/],
    [['--batch', 'p', '--verify', 'S1'], /Say one of/],
    [['--student', 'S999', ...consent], /--image photo\.jpg/],
    [['--student', '../x', '--image', 'a.jpg', ...consent], /student id/],
    [['--student', 'S999', '--image', 'a.jpg', '--name', 'Ada', ...consent], /first and the last name/],
    [['--batch', 'p', '--image', 'a.jpg', ...consent], /--image belongs to --student/],
    [['--batch', 'p', '--different-from', 'S2', ...consent], /belongs to --student/],
    [['--student', 'S1', '--image', 'a.jpg', '--different-from', '../x', ...consent], /--different-from .*student id/],
    [['--verify', 'S1', '--server', 'school'], /http:\/\//],
  ]
  for (const [argv, words] of wrong) {
    expect(() => readArguments(argv)).toThrow(CannotTry)
    expect(() => readArguments(argv)).toThrow(words)
  }
})
