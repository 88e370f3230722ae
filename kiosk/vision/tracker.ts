/**
 * Which face of this frame is which face of the frames before. Pure; knows boxes and embeddings, no pixel and no
 * student. A number is a promise that it is one person: where that is in doubt, the number is a new one.
 *
 * A box continues a track where it overlaps the track's last box, no other box does, it overlaps no other track's
 * box, and nobody who knows better (`doubts`) objects. So two who cross, one who jumps, and one who was away for
 * long are new numbers.
 */
import { overlap } from './detection.ts'
import type { Box } from './face.ts'
import type { Patch } from './patch.ts'
import type { SceneMemory } from './scene-cues.ts'

/** Intersection over union from which a box may be the same face one frame later. */
export const SAME_FACE_OVERLAP = 0.25

/** Milliseconds without being seen after which a track is over. A nod or a hand hides a face for a few frames of 15 a second. */
export const LOST_AFTER_MS = 500

/** A face that comes less near than this to its track's mean is another person who stepped into its place. LFW: 1 % of pairs of one person, 99.9 % of pairs of two. */
export const SAME_PERSON_COSINE = 0.3

export interface Track {
  id: number
  box: Box
  /** The detector's score when it last saw the face. */
  score: number
  /** Milliseconds, the frames' clock. */
  seenAt: number
  /** Frames in which the mesh was run on it, and in which an embedding was made. */
  looks: number
  embeddings: number
  /** The newest mesh, and when; undefined where the mesh did not see a face. */
  mesh: { landmarks: Float32Array; at: number } | undefined
  /** What it looked like in its last frame. */
  patch: Patch | undefined
  /** Its last moments, for the cues. */
  scene: SceneMemory | undefined
  /** Sum of the unit embeddings. */
  sum: Float32Array | undefined
}

export interface Tracker {
  /** Tracks that are not over, oldest first. */
  live(at: number): Track[]
  /**
   * Gives each detected box its track, in their order.
   * @param at milliseconds, not before the last one
   * @param doubts says whether the box cannot be taken for the track's face
   */
  assign(found: readonly { box: Box; score: number }[], at: number, doubts?: (track: Track, box: Box) => boolean): Track[]
  /** The track's next embedding: false where it is another person's, and the track a new one from here on. */
  addEmbedding(track: Track, embedding: Float32Array): boolean
  /** From here on it is another track. */
  renumber(track: Track): void
}

export function openTracker(): Tracker {
  let tracks: Track[] = []
  let ids = 0

  const open = (box: Box, score: number, at: number): Track => ({
    id: ++ids, box, score, seenAt: at, looks: 0, embeddings: 0, mesh: undefined, patch: undefined, scene: undefined, sum: undefined,
  })

  const live = (at: number): Track[] => {
    tracks = tracks.filter(({ seenAt }) => at - seenAt <= LOST_AFTER_MS)
    return tracks
  }

  function assign(found: readonly { box: Box; score: number }[], at: number, doubts: (track: Track, box: Box) => boolean = () => false): Track[] {
    const before = live(at)
    const candidates = found.map(({ box }) => before.filter((track) => overlap(track.box, box) >= SAME_FACE_OVERLAP))
    const claimed = new Map<Track, number>()
    for (const track of candidates.flat()) claimed.set(track, (claimed.get(track) ?? 0) + 1)
    const assigned = found.map(({ box, score }, i) => {
      const [track, rival] = candidates[i] ?? []
      if (!track || rival || claimed.get(track) !== 1 || doubts(track, box)) return open(box, score, at)
      return Object.assign(track, { box, score, seenAt: at })
    })
    // A track that was claimed and not continued is over: its face is one of the new numbers.
    tracks = [...before.filter((track) => !claimed.has(track)), ...assigned]
    return assigned
  }

  function renumber(track: Track): void {
    Object.assign(track, open(track.box, track.score, track.seenAt), { mesh: track.mesh, patch: track.patch, looks: 1 })
  }

  function addEmbedding(track: Track, embedding: Float32Array): boolean {
    const same = track.sum === undefined || cosine(track.sum, embedding) >= SAME_PERSON_COSINE
    if (!same) renumber(track)
    track.sum ??= new Float32Array(embedding.length)
    for (let i = 0; i < embedding.length; i++) track.sum[i]! += embedding[i]!
    track.embeddings++
    return same
  }

  return { live, assign, addEmbedding, renumber }
}

function cosine(one: Float32Array, other: Float32Array): number {
  let [dot, a, b] = [0, 0, 0]
  for (let i = 0; i < one.length; i++) {
    dot += one[i]! * other[i]!
    a += one[i]! ** 2
    b += other[i]! ** 2
  }
  return a > 0 && b > 0 ? dot / Math.sqrt(a * b) : 0
}
