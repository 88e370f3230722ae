/**
 * Is this face that student's? One student, named by a PIN or a card, and the face before the camera, over several frames. Pure; holds one student's
 * templates and nobody else's, so whoever stands there is this student or nobody: there is no one to search for.
 *
 *   1. only the nearest face counts: it is the one whose owner typed the PIN or showed the card;
 *   2. its frames' evidence is compared with each of the student's templates; the best cosine must reach the threshold that the school has set
 *      for comparing one with one, AGREEING_SIGHTINGS times in a row;
 *   3. under liveness `require` the face must also show that it lives; under `watch` it is confirmed at once and watched a little longer, and a
 *      face that looks like a picture's makes a doubt;
 *   4. a face that is another person's than the frames before begins again at 2.
 */
import type { Doubt } from '#contract/attendance'
import type { LivenessPolicy } from '#contract/device'
import { cosine } from '#contract/model'
import type { Rotation } from '#contract/rotation'
import type { Face, SeenFrame, TrackWishes } from '../vision/face.ts'
import { type Evidence, gatherEvidence } from './evidence.ts'
import { type LifeSigns, type Turn, openLifeSigns } from './liveness.ts'
import { AGREEING_SIGHTINGS, UNDECIDED_FRAMES } from './sightings.ts'

export type Checked =
  /** Nobody in view, or not decided. */
  | { kind: 'looking' }
  /** Not good enough to be looked at; see face.refused. */
  | { kind: 'refused' }
  /** Enough frames, and not this student. More frames may still say otherwise. */
  | { kind: 'another' }
  /** This student's, who must show that they live: by this turn of the head. */
  | { kind: 'challenge'; turn: Turn }
  /** Under `require`: a picture, as far as can be seen. */
  | { kind: 'doubtful' }
  /** `watched`: more frames could still bring a doubt, or take it away. */
  | { kind: 'confirmed'; confidence: number; doubt: Doubt | undefined; watched: boolean }

export interface Verification {
  /** Looks at one frame; frames must come in the order of `takenAt` (ms). `face`: the nearest one. */
  add(frame: SeenFrame): { face: Face | undefined; checked: Checked }
  /** What vision need not do for the next frame. */
  wishes(): TrackWishes
}

export interface VerificationRule {
  /** Of the student, of one model, each of unit length; at least one. */
  templates: readonly Float32Array[]
  /** By which they were turned, as each face is before it is compared; undefined: they were not. */
  rotation: Rotation | undefined
  /** Cosine. */
  threshold: number
  liveness: LivenessPolicy
  /** 0 to 1, for the side of a challenge. */
  random: () => number
}

interface Track {
  evidence: Evidence
  life: LifeSigns | undefined
  agreeing: number
  score: number
}

export function followVerification(rule: VerificationRule): Verification {
  const tracks = new Map<number, Track>()
  /** Confirmed but for its life: no more embeddings are needed. */
  let known: number | undefined

  const begin = (): Track => ({
    evidence: gatherEvidence(),
    life: rule.liveness === 'off' ? undefined : openLifeSigns({ policy: rule.liveness, random: rule.random }),
    agreeing: 0,
    score: 0,
  })

  function gather(track: Track, face: Face): Track {
    if (!face.embedding || !face.quality || face.refused) return track
    let at = track
    if (!at.evidence.add(face.embedding, face.quality)) {
      at = begin()
      at.evidence.add(face.embedding, face.quality)
    }
    const mean = at.evidence.mean()
    const turned = mean && (rule.rotation?.rotate(mean) ?? mean)
    at.score = turned ? Math.max(...rule.templates.map((template) => cosine(template, turned))) : 0
    at.agreeing = at.score >= rule.threshold ? at.agreeing + 1 : 0
    return at
  }

  function judge(track: Track, face: Face, now: number): Checked {
    if (track.agreeing < AGREEING_SIGHTINGS) {
      if (face.refused !== undefined) return { kind: 'refused' }
      return track.evidence.frames >= UNDECIDED_FRAMES && track.agreeing === 0 ? { kind: 'another' } : { kind: 'looking' }
    }
    const life = track.life?.verdict(now)
    if (rule.liveness === 'require') {
      if (life?.kind === 'challenge') return { kind: 'challenge', turn: life.turn }
      if (life?.kind === 'doubtful') return { kind: 'doubtful' }
      if (life?.kind !== 'alive') return { kind: 'looking' }
    }
    const doubt = life?.kind === 'doubtful' ? life.why : undefined
    return { kind: 'confirmed', confidence: Math.min(1, Math.max(0, track.score)), doubt, watched: life?.kind === 'undecided' }
  }

  return {
    add(frame) {
      const [face] = frame.faces.filter(({ refused }) => refused !== 'not_a_face').toSorted((a, b) => b.box.width * b.box.height - a.box.width * a.box.height)
      for (const id of tracks.keys()) if (!frame.faces.some(({ track }) => track === id)) tracks.delete(id)
      if (!face) {
        known = undefined
        return { face, checked: { kind: 'looking' } }
      }
      const track = gather(tracks.get(face.track) ?? begin(), face)
      track.life?.add(frame.takenAt, face)
      tracks.set(face.track, track)
      known = track.agreeing >= AGREEING_SIGHTINGS ? face.track : undefined
      return { face, checked: judge(track, face, frame.takenAt) }
    },
    wishes: () => (known === undefined ? {} : { watched: [known] }),
  }
}
