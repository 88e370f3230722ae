import { describe, expect, it } from 'vitest'
import { readPairingLink } from './pairing-link.ts'

describe('pairing link', () => {
  it('is read whole, or refused with the missing part named', () => {
    const key = 'k'.repeat(43)
    expect(readPairingLink(`#device=pi-lab301&room=LAB-301&key=${key}`)).toEqual({ kind: 'pairing', pairing: { deviceId: 'pi-lab301', roomId: 'LAB-301', key } })
    expect(readPairingLink(`#device=pi-lab301&room=LAB-301&key=${key.slice(1)}`)).toMatchObject({ kind: 'broken', problem: expect.stringContaining('key') })
    expect(readPairingLink(`#device=pi-lab301&key=${key}`)).toMatchObject({ kind: 'broken', problem: expect.stringContaining('room') })
    expect(readPairingLink('')).toEqual({ kind: 'none' })
    expect(readPairingLink('#top')).toEqual({ kind: 'none' })
  })
})
