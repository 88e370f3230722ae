import fc from 'fast-check'
import { expect, test } from 'vitest'
import { csvOf } from './csv.ts'

test('A table is one line for each of its lines, with a heading, in the way that spreadsheets read', () => {
  expect(csvOf([['name', 'percentage'], ['Ada', 97.5], ['Åsa "Sis", Ek', null]])).toBe('\uFEFFname,percentage\r\nAda,97.5\r\n"Åsa ""Sis"", Ek",\r\n')
})

test('No name is run as a formula', () => {
  for (const name of ['=HYPERLINK("http://x")', '+1', '-1', '@SUM(A1)', '\tx']) expect(csvOf([[name]])).toMatch(/^\uFEFF"?'/)
  expect(csvOf([[-1]])).toBe('\uFEFF-1\r\n')
})

test('Whatever people are called, what is read back is what was written', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.string().filter((text) => !/^[=+\-@\t\r]/.test(text)), { minLength: 2, maxLength: 2 }), { minLength: 1 }), (table) => {
      expect(read(csvOf(table).slice(1))).toEqual(table)
    }),
  )
})

/** RFC 4180, as plainly as it can be read. */
function read(text: string): string[][] {
  const table: string[][] = []
  let line: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i]!
    if (quoted) {
      if (c !== '"') field += c
      else if (text[i + 1] === '"') {
        field += c
        i += 1
      } else quoted = false
    } else if (c === '"') quoted = true
    else if (c === ',') {
      line.push(field)
      field = ''
    } else if (c === '\r') {
      i += 1
      table.push([...line, field])
      line = []
      field = ''
    } else field += c
  }
  return table
}
