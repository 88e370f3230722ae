/** How long the stages of a frame take: medians for the heartbeat and the technician. */
import type { Heartbeat } from '#contract/device'
import type { SeenFrame, StageTimes } from '../vision/face.ts'

/** Frames with a face that the running medians look back on. */
const WINDOW = 300

const STAGES = ['detect', 'align', 'embed', 'frame'] as const

export class StageMedians {
  private newest: StageTimes[] = []
  private frameMs: number[] = []
  private embedMs: number[] = []
  private frames = 0
  private faces = 0

  add(seen: SeenFrame): void {
    this.frames += 1
    this.faces += seen.faces.length
    if (this.frameMs.length < 10_000) this.frameMs.push(seen.ms.frame)
    if (!seen.faces.some((face) => face.embedding)) return
    if (this.embedMs.length < 10_000) this.embedMs.push(seen.ms.embed)
    this.newest.push(seen.ms)
    if (this.newest.length > WINDOW) this.newest.shift()
  }

  /** Medians of the newest frames with an embedded face, ms; undefined before the first. */
  all(): StageTimes | undefined {
    if (this.newest.length === 0) return undefined
    const medians = STAGES.map((stage) => [stage, median(this.newest.map((ms) => ms[stage]))] as const)
    return Object.fromEntries(medians) as unknown as StageTimes
  }

  /** What a heartbeat tells, and a fresh start for the next one. */
  takeSinceLast(): Pick<Heartbeat, 'frame_ms' | 'embed_ms' | 'frames' | 'faces'> {
    const since = { frame_ms: median(this.frameMs) ?? null, embed_ms: median(this.embedMs) ?? null, frames: this.frames, faces: this.faces }
    this.frameMs = []
    this.embedMs = []
    this.frames = 0
    this.faces = 0
    return since
  }
}

function median(values: number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[sorted.length >> 1]
  return value === undefined ? undefined : Math.round(value * 10) / 10
}
