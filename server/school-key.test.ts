import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { openSchoolKey } from './school-key.ts'
import type { SchoolKeyLabel } from './school-key.ts'

const LABELS: SchoolKeyLabel[] = ['templates', 'tokens', 'totp', 'audit', 'oidc-state']
const secret = (): string => randomBytes(32).toString('base64url')

it('derives for each label a key of its own, 256 bits, the same every time', () => {
  const root = secret()
  const derived = LABELS.map((label) => openSchoolKey(root).derive(label).toString('hex'))
  expect(derived).toEqual(LABELS.map((label) => openSchoolKey(`${root}=`).derive(label).toString('hex')))
  expect(new Set([...derived, Buffer.from(root, 'base64url').toString('hex')]).size).toBe(LABELS.length + 1)
  for (const key of derived) expect(key).toHaveLength(64)
})

it('derives the same from one version of the server to the next, or nothing that was sealed would open', () => {
  expect(openSchoolKey('A'.repeat(43)).derive('templates').toString('hex')).toBe('5416bd4247e0f7e105254b0f3a2507be6dc8dcf63077244347f84899b1d9a722')
})

it('derives from the key before only where there is one', () => {
  const [now, before] = [secret(), secret()]
  expect(openSchoolKey(now).deriveBefore).toBeUndefined()
  expect(openSchoolKey(now, before).deriveBefore?.('templates')).toEqual(openSchoolKey(before).derive('templates'))
})

it('takes 256 bits of base64url and nothing else, and says nothing of what it was given', () => {
  for (const wrong of ['', 'short', secret().slice(1), `${secret()}A`, `+${secret().slice(1)}`]) expect(() => openSchoolKey(wrong)).toThrow('SCHOOL_KEY must be 256 bits in base64url, 43 characters')
})
