/**
 * From faces in frames to people in the room: what a track's frames say together decides, once. Pure: a
 * frame goes in, what is known of each face comes out. Which face is which track from frame to frame the worker says.
 *
 * A track's life:
 *   1. looking: each frame's embedding adds to its evidence; the evidence of all undecided tracks in view is matched
 *      together, one student per face, one face per student, and none who stands in view already;
 *   2. the same student AGREEING_SIGHTINGS times in a row: matched. Under liveness `require` the face must also show
 *      that it lives before it is the student; under `watch` it is the student at once, and is watched a little longer;
 *   3. not matched after UNDECIDED_FRAMES: asked (near, not clear, or one of two who look alike), or unknown. Such a face is
 *      looked at again now and then: a student who had looked away may look up;
 *   4. a student's face is then only followed, until the worker loses it.
 * A face that is another person's than its track's evidence begins again at 1.
 */
import type { Doubt } from '#contract/attendance'
import type { LivenessPolicy } from '#contract/device'
import type { Face, SeenFrame } from '../vision/face.ts'
import type { AcceptanceRule } from './acceptance.ts'
import { type Evidence, gatherEvidence } from './evidence.ts'
import type { Gallery } from './gallery.ts'
import { type LifeSigns, type LifeVerdict, type Turn, openLifeSigns } from './liveness.ts'
import { type Match, matchFaces } from './matcher.ts'

/** Matches in a row that must name the same student. */
export const AGREEING_SIGHTINGS = 3
/** Embedded frames without a match after which a face is asked, or called unknown. */
export const UNDECIDED_FRAMES = 8
/** Milliseconds between two looks at a face that is asked or unknown. */
export const LOOK_AGAIN_MS = 500
/** Milliseconds after which a face that is no longer seen is forgotten. */
const FORGET_AFTER_MS = 1_000

export type Verdict =
  | { kind: 'student'; studentId: string; confidence: number; /** Under `watch`: the mark is to be flagged. */ doubt?: Doubt }
  /** Near, not near enough or not clear (`tap`), or one of two whom the face does not tell apart (`pin`). Best first. */
  | { kind: 'ask'; candidates: string[]; needs: 'tap' | 'pin'; score: number }
  /** Known, but must show that it lives: by this turn of the head. */
  | { kind: 'challenge'; turn: Turn }
  /** Under `require`: known, but a picture as far as can be seen. */
  | { kind: 'doubtful' }
  | { kind: 'looking' }
  | { kind: 'unknown'; /** True in the one frame that decided it. */ first: boolean }
  /** Not good enough to be looked at; see face.refused. */
  | { kind: 'refused' }

export interface SeenFace {
  face: Face
  verdict: Verdict
}

/** Whom a look-alike pair is made of: student -> the others. */
export type LookAlikes = ReadonlyMap<string, readonly string[]>

export interface SightingRule extends AcceptanceRule {
  liveness: LivenessPolicy
  lookAlikes: LookAlikes
  /** 0 to 1, for the side of a challenge. */
  random: () => number
}

export interface Sightings {
  /** Looks at one frame; frames must come in the order of `takenAt` (ms). */
  add(frame: SeenFrame): SeenFace[]
  /** What the worker need not do for the next frame, taken at about `now`. */
  wishes(now: number): { settled: number[]; watched: number[] }
}

interface Track {
  id: number
  seenAt: number
  lookedAt: number
  evidence: Evidence
  life: LifeSigns | undefined
  /** What the last looks named, and how many of them in a row. */
  match: Match | undefined
  agreeing: number
  /** Whose face it is, once that is decided. */
  student: { studentId: string; score: number } | undefined
  wasUnknown: boolean
}

export function followSightings(gallery: Gallery, rule: SightingRule): Sightings {
  const tracks = new Map<number, Track>()

  function add(frame: SeenFrame): SeenFace[] {
    const now = frame.takenAt
    for (const [id, track] of tracks) if (now - track.seenAt > FORGET_AFTER_MS) tracks.delete(id)
    const inView = frame.faces.map((face) => ({ face, track: trackOf(face, now) }))
    for (const { face, track } of inView) gather(track, face, now)
    dropDoubles(inView.map(({ track }) => track))
    const looked = inView.filter(({ face, track }) => !track.student && face.embedding && track.lookedAt === now).map(({ track }) => track)
    const here = new Set(inView.flatMap(({ track }) => (track.student ? [track.student.studentId] : [])))
    const probes = looked.map(({ evidence }) => ({ embedding: evidence.mean() ?? new Float32Array(gallery.calibration.mean.length), faceWidth: evidence.faceWidth }))
    matchFaces(gallery, probes, rule, here).forEach((match, i) => decide(looked[i]!, match))
    return inView.map(({ face, track }) => ({ face, verdict: verdictOf(track, face, now) }))
  }

  function trackOf({ track: id }: Face, now: number): Track {
    let track = tracks.get(id)
    if (!track) tracks.set(id, (track = beginTrack(id, now)))
    track.seenAt = now
    return track
  }

  function beginTrack(id: number, now: number): Track {
    const life = rule.liveness === 'off' ? undefined : openLifeSigns({ policy: rule.liveness, random: rule.random })
    return { id, seenAt: now, lookedAt: -Infinity, evidence: gatherEvidence(), life, match: undefined, agreeing: 0, student: undefined, wasUnknown: false }
  }

  function gather(track: Track, face: Face, now: number): void {
    if (face.embedding && face.quality && !face.refused) {
      if (!track.evidence.add(face.embedding, face.quality)) {
        Object.assign(track, beginTrack(track.id, now))
        track.evidence.add(face.embedding, face.quality)
      }
      track.lookedAt = now
    }
    track.life?.add(now, face)
  }

  /** A face that was out of sight may come back when its student has been found in another: the later finding counts, the face begins again. */
  function dropDoubles(inView: Track[]): void {
    const latest = new Map<string, Track>()
    for (const track of [...inView].sort((a, b) => b.lookedAt - a.lookedAt)) {
      if (!track.student) continue
      if (latest.has(track.student.studentId)) Object.assign(track, beginTrack(track.id, track.seenAt))
      else latest.set(track.student.studentId, track)
    }
  }

  function decide(track: Track, match: Match | undefined): void {
    const [named, before] = [nameOf(match), nameOf(track.match)]
    track.agreeing = named !== undefined && named === before ? track.agreeing + 1 : 1
    track.match = match
    if (match?.kind !== 'match' || track.agreeing < AGREEING_SIGHTINGS || looksLikeAnother(match.studentId)) return
    track.student = { studentId: match.studentId, score: match.score }
  }

  const looksLikeAnother = (studentId: string): boolean => (rule.lookAlikes.get(studentId)?.length ?? 0) > 0

  function verdictOf(track: Track, face: Face, now: number): Verdict {
    if (track.student) return verdictOfStudent(track, track.student, now)
    if (face.refused !== undefined) return { kind: 'refused' }
    if (track.match?.kind === 'match' && looksLikeAnother(track.match.studentId)) {
      if (track.agreeing < AGREEING_SIGHTINGS) return { kind: 'looking' }
      const { studentId, score } = track.match
      const rivals = (rule.lookAlikes.get(studentId) ?? []).filter((id) => gallery.studentIds.includes(id))
      return { kind: 'ask', candidates: [studentId, ...rivals], needs: 'pin', score }
    }
    if (track.evidence.frames < UNDECIDED_FRAMES || track.match?.kind === 'match') return { kind: 'looking' }
    if (track.match) {
      const { candidates, score } = track.match
      return { kind: 'ask', candidates, needs: candidates.some(looksLikeAnother) ? 'pin' : 'tap', score }
    }
    const first = !track.wasUnknown
    track.wasUnknown = true
    return { kind: 'unknown', first }
  }

  function verdictOfStudent(track: Track, { studentId, score }: { studentId: string; score: number }, now: number): Verdict {
    const student: Verdict = { kind: 'student', studentId, confidence: score }
    const life = lifeOf(track, now)
    if (rule.liveness === 'require') {
      if (life?.kind === 'challenge') return life
      if (life?.kind === 'doubtful') return { kind: 'doubtful' }
      return life?.kind === 'alive' ? student : { kind: 'looking' }
    }
    return life?.kind === 'doubtful' ? { ...student, doubt: life.why } : student
  }

  function wishes(now: number): { settled: number[]; watched: number[] } {
    const settled: number[] = []
    const watched: number[] = []
    for (const track of tracks.values()) {
      if (track.student) (needsLife(track, now) ? watched : settled).push(track.id)
      else if (track.evidence.frames >= UNDECIDED_FRAMES && track.match?.kind !== 'match' && now - track.lookedAt < LOOK_AGAIN_MS) settled.push(track.id)
    }
    return { settled, watched }
  }

  /** Whether more of the mesh could still change what is known of the track's life. */
  function needsLife(track: Track, now: number): boolean {
    const life = lifeOf(track, now)
    return life !== undefined && (life.kind === 'undecided' || life.kind === 'challenge')
  }

  const lifeOf = (track: Track, now: number): LifeVerdict | undefined => track.life?.verdict(now)

  return { add, wishes }
}

const nameOf = (match: Match | undefined): string | undefined => (match?.kind === 'match' ? match.studentId : match?.candidates[0])
