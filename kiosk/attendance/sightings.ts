/**
 * From faces in frames to people in the room: a face is followed from frame to frame, and what its
 * frames say together decides. Pure: a frame goes in, what is known of each face comes out.
 *
 * For each frame:
 *   1. each face continues the track it overlaps most, unless its embedding says it is somebody else;
 *   2. an embedded face adds its embedding to its track's mean;
 *   3. the means of all tracks in view are matched together: one student per face, one face per student;
 *   4. a match becomes the student after AGREEING_SIGHTINGS frames in a row that name the same one;
 *   5. a track that never gets there is a stranger after UNKNOWN_AFTER sightings, though it may
 *      still turn out to be a student who had looked away.
 */
import { cosine } from '#contract/model'
import type { Box, Face, SeenFrame } from '../vision/face.ts'
import { type Gallery, normalise } from './gallery.ts'
import { type MatchRule, matchFaces } from './matcher.ts'

/** Frames in a row whose track mean must name the same student. */
export const AGREEING_SIGHTINGS = 3
/** Sightings without a student after which a face is called unknown. */
export const UNKNOWN_AFTER = 8
/** Intersection over union at which a box is the same face one frame later. */
const SAME_FACE_OVERLAP = 0.25
/** A face that comes less near than this to its track's mean is another person who stepped into its place. */
const SAME_PERSON_COSINE = 0.3
/** Milliseconds after which a face that is no longer seen is forgotten. */
const FORGET_AFTER_MS = 1_000
/** The mean follows about so many newest sightings, so that a hat taken off is not held against anybody. */
const MEAN_OVER_SIGHTINGS = 30

export type Verdict =
  | { kind: 'student'; studentId: string; confidence: number }
  | { kind: 'looking' }
  | { kind: 'unknown'; /** True in the one frame that decided it. */ first: boolean }
  /** Not good enough to be looked at; see face.refused. */
  | { kind: 'refused' }

export interface SeenFace {
  face: Face
  /** Stable while the face is in view. */
  track: number
  verdict: Verdict
}

interface Track {
  id: number
  box: Box
  seenAt: number
  /** Sum of the embeddings, and how many there were. */
  sum: Float32Array | undefined
  sightings: number
  /** The student named by the last frames, and by how many of them in a row. */
  named: string | undefined
  agreeing: number
  wasUnknown: boolean
}

export interface Sightings {
  /** Looks at one frame; frames must come in the order of `takenAt` (ms). */
  add(frame: SeenFrame): SeenFace[]
}

export function followSightings(gallery: Gallery, rule: MatchRule): Sightings {
  let tracks: Track[] = []
  let nextId = 1

  function add(frame: SeenFrame): SeenFace[] {
    tracks = tracks.filter((track) => frame.takenAt - track.seenAt <= FORGET_AFTER_MS)
    const inView = assignTracks(frame)
    const embedded = inView.filter(({ face }) => face.embedding && !face.refused)
    const matches = matchFaces(gallery, embedded.map(({ track }) => mean(track)), rule)
    embedded.forEach(({ track }, i) => {
      const studentId = matches[i]?.studentId
      track.agreeing = studentId !== undefined && studentId === track.named ? track.agreeing + 1 : 1
      track.named = studentId
    })
    return inView.map(({ face, track }) => {
      const at = embedded.findIndex((one) => one.track === track)
      return { face, track: track.id, verdict: at < 0 ? { kind: 'refused' } : judge(track, matches[at]?.score) }
    })
  }

  function judge(track: Track, score: number | undefined): Verdict {
    if (track.named !== undefined && score !== undefined) {
      if (track.agreeing < AGREEING_SIGHTINGS) return { kind: 'looking' }
      return { kind: 'student', studentId: track.named, confidence: score }
    }
    if (track.sightings < UNKNOWN_AFTER) return { kind: 'looking' }
    const first = !track.wasUnknown
    track.wasUnknown = true
    return { kind: 'unknown', first }
  }

  /** Gives every face of the frame its track, best overlaps first, and adds the embeddings to the means. */
  function assignTracks(frame: SeenFrame): { face: Face; track: Track }[] {
    const pairs: { face: Face; track: Track; overlap: number }[] = []
    for (const face of frame.faces) {
      for (const track of tracks) {
        const overlap = intersectionOverUnion(face.box, track.box)
        if (overlap >= SAME_FACE_OVERLAP && mayBeSamePerson(face, track)) pairs.push({ face, track, overlap })
      }
    }
    pairs.sort((a, b) => b.overlap - a.overlap)
    const trackOf = new Map<Face, Track>()
    const taken = new Set<Track>()
    for (const { face, track } of pairs) {
      if (trackOf.has(face) || taken.has(track)) continue
      trackOf.set(face, track)
      taken.add(track)
    }
    return frame.faces.map((face) => {
      let track = trackOf.get(face)
      if (!track) {
        track = { id: nextId++, box: face.box, seenAt: frame.takenAt, sum: undefined, sightings: 0, named: undefined, agreeing: 0, wasUnknown: false }
        tracks.push(track)
      }
      track.box = face.box
      track.seenAt = frame.takenAt
      if (face.embedding && !face.refused) addTo(track, face.embedding)
      return { face, track }
    })
  }

  return { add }
}

function addTo(track: Track, embedding: Float32Array): void {
  track.sum ??= new Float32Array(embedding.length)
  const keep = track.sightings < MEAN_OVER_SIGHTINGS ? 1 : 1 - 1 / MEAN_OVER_SIGHTINGS
  for (let i = 0; i < embedding.length; i++) track.sum[i] = track.sum[i]! * keep + embedding[i]!
  track.sightings += 1
}

/** Unit mean of what the track has shown; a sum without direction matches nobody. */
function mean(track: Track): Float32Array {
  const unit = Float32Array.from(track.sum!)
  if (!normalise(unit)) unit.fill(0)
  return unit
}

function mayBeSamePerson(face: Face, track: Track): boolean {
  if (!face.embedding || face.refused || !track.sum) return true
  return cosine(face.embedding, mean(track)) >= SAME_PERSON_COSINE
}

export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)
  if (width <= 0 || height <= 0) return 0
  const both = width * height
  return both / (a.width * a.height + b.width * b.height - both)
}
