import { describe, expect, it } from 'vitest'
import { StageMedians } from './stage-medians.ts'

describe('stage medians', () => {
  it('tells the middle of what was measured and starts afresh after each heartbeat', () => {
    const medians = new StageMedians()
    for (const frame of [30, 10, 20]) {
      medians.add({ takenAt: 0, width: 1, height: 1, faces: [{ embedding: new Float32Array(1) } as never], ms: { detect: 1, align: 2, embed: frame, frame } })
    }
    expect(medians.all()).toEqual({ detect: 1, align: 2, embed: 20, frame: 20 })
    expect(medians.takeSinceLast()).toEqual({ frame_ms: 20, embed_ms: 20, frames: 3, faces: 3 })
    expect(medians.takeSinceLast()).toEqual({ frame_ms: null, embed_ms: null, frames: 0, faces: 0 })
  })
})
