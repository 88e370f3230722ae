import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CURRENT_MODEL, EMBEDDING_LENGTH } from '#contract/model'
import type { Lesson } from '#contract/schedule'
import type { Face, SeenFrame } from '../vision/face.ts'
import { normalise, packGallery, scoreGallery } from './gallery.ts'
import { type Probe, matchFaces } from './matcher.ts'
import { openRegister } from './register.ts'
import { type SightingRule, AGREEING_SIGHTINGS, UNDECIDED_FRAMES, followSightings } from './sightings.ts'

const LENGTH = EMBEDDING_LENGTH[CURRENT_MODEL]
const RULE: SightingRule = { budget: 0.003, floor: 0.3, liveness: 'off', lookAlikes: new Map(), random: () => 0.5 }

/** A unit vector of its own for every seed; in 192 dimensions two of them are nearly at right angles. */
function person(seed: number): Float32Array {
  let state = (seed + 1) * 2654435761
  const vector = Float32Array.from({ length: LENGTH }, () => {
    state = Math.imul(state ^ (state >>> 15), 2246822507) + 0x9e3779b9
    return ((state >>> 0) / 2 ** 32) * 2 - 1
  })
  normalise(vector)
  return vector
}

/** The same person in another frame: `noise` 0 is the template itself. */
function shot(who: number, frame: number, noise: number): Float32Array {
  const base = person(who)
  const other = person(10_000 + who * 997 + frame)
  const vector = base.map((value, i) => value + noise * other[i]!)
  normalise(vector)
  return vector
}

function student(id: number, templates = [person(id)], model: string = CURRENT_MODEL) {
  return {
    student_id: `S${id}`,
    first_name: 'A',
    last_name: 'B',
    look_alikes: [],
    pin: null,
    card: null,
    templates: templates.map((embedding) => ({ model: model as typeof CURRENT_MODEL, embedding: [...embedding] })),
  }
}

function face(embedding: Float32Array | undefined, track = 1, refused?: Face['refused']): Face {
  return {
    box: { x: 0, y: 0, width: 100, height: 100 },
    score: 0.9,
    track,
    mirrored: false,
    landmarks: undefined,
    cues: undefined,
    quality: { width: 100, brightness: 120, sharpness: 100, yaw: 0, pitch: 0, roll: 0, presence: 1 },
    refused,
    embedding,
  }
}

const probe = (embedding: Float32Array): Probe => ({ embedding, faceWidth: 100 })

function frame(at: number, faces: Face[]): SeenFrame {
  return { takenAt: at, width: 1280, height: 720, faces, ms: { detect: 0, align: 0, embed: 0, frame: 0 } }
}

describe('gallery', () => {
  it('holds a unit row for each student with a template of this model and nobody else', () => {
    const gallery = packGallery([student(1, [person(1), shot(1, 1, 0.5)]), student(2, []), student(3, [person(3)], 'another-model')], CURRENT_MODEL)
    expect(gallery.studentIds).toEqual(['S1'])
    expect(Math.hypot(...gallery.rows)).toBeCloseTo(1, 5)
    expect(scoreGallery(gallery, person(1))[0]).toBeGreaterThan(0.8)
  })

  it('leaves out a student whose templates cancel each other, rather than dividing by nothing', () => {
    expect(packGallery([student(1, [person(1), person(1).map((v) => -v)])], CURRENT_MODEL).studentIds).toEqual([])
  })

  it('refuses a probe of the wrong length', () => {
    expect(() => scoreGallery(packGallery([student(1)], CURRENT_MODEL), new Float32Array(128))).toThrow('192')
  })
})

describe('matcher', () => {
  it('gives no student to two faces, no face two students and nobody a student who stands in view, whatever the faces', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.record({ who: fc.integer({ min: 0, max: 15 }), noise: fc.double({ min: 0, max: 1.5, noNaN: true }), n: fc.nat(1000) }), { maxLength: 8 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { maxLength: 3 }),
        (size, faces, known) => {
          const gallery = packGallery(Array.from({ length: size }, (_, i) => student(i)), CURRENT_MODEL)
          const here = new Set(known.map((id) => `S${id}`))
          const matches = matchFaces(gallery, faces.map((f) => probe(shot(f.who, f.n, f.noise))), RULE, here)
          const named = matches.flatMap((match) => (match?.kind === 'match' ? [match.studentId] : match?.kind === 'ask' ? [match.candidates[0]!] : []))
          expect(new Set(named).size).toBe(named.length)
          expect(named.some((id) => here.has(id))).toBe(false)
          expect(matches).toHaveLength(faces.length)
          matches.forEach((match) => match && expect(match.score).toBeGreaterThanOrEqual(RULE.floor))
        },
      ),
    )
  })

  it('calls a stranger nobody, never the nearest student', () => {
    const gallery = packGallery([student(1), student(2)], CURRENT_MODEL)
    expect(matchFaces(gallery, [probe(person(77))], RULE)).toEqual([undefined])
  })

  it('asks between look-alikes, the nearer one first, and does not choose', () => {
    const gallery = packGallery([student(1), student(2, [shot(1, 5, 0.2)]), student(3)], CURRENT_MODEL)
    expect(matchFaces(gallery, [probe(shot(1, 9, 0.3))], RULE)).toMatchObject([{ kind: 'ask', candidates: ['S1', 'S2'] }])
  })

  it('chooses between look-alikes when one of them is known to stand in view', () => {
    const gallery = packGallery([student(1), student(2, [shot(1, 5, 0.2)]), student(3)], CURRENT_MODEL)
    expect(matchFaces(gallery, [probe(shot(1, 9, 0.3))], RULE, new Set(['S2']))).toMatchObject([{ kind: 'match', studentId: 'S1' }])
  })

  it('gives a student to the better of two faces and the other face to nobody', () => {
    const gallery = packGallery([student(1), student(2)], CURRENT_MODEL)
    const [worse, better] = matchFaces(gallery, [probe(shot(1, 1, 0.6)), probe(shot(1, 2, 0.1))], RULE)
    expect(worse).toBeUndefined()
    expect(better).toMatchObject({ kind: 'match', studentId: 'S1' })
  })

  it('takes a probe of NaN for nobody', () => {
    const gallery = packGallery([student(1)], CURRENT_MODEL)
    expect(matchFaces(gallery, [probe(new Float32Array(LENGTH).fill(Number.NaN))], RULE)).toEqual([undefined])
  })

  it('matches nobody in an empty roster', () => {
    expect(matchFaces(packGallery([], CURRENT_MODEL), [probe(person(1))], RULE)).toEqual([undefined])
  })

  it('obeys the floor, whatever the budget allows', () => {
    const gallery = packGallery([student(1), student(2)], CURRENT_MODEL)
    expect(matchFaces(gallery, [probe(shot(1, 1, 0.3))], { ...RULE, floor: 0.99 })).toEqual([undefined])
  })
})

describe('sightings', () => {
  const gallery = packGallery([student(1), student(2), student(3)], CURRENT_MODEL)

  it('needs several agreeing frames before a face is a student', () => {
    const sightings = followSightings(gallery, RULE)
    const kinds = Array.from({ length: AGREEING_SIGHTINGS }, (_, i) => sightings.add(frame(i * 66, [face(shot(1, i, 0.3))]))[0]!.verdict)
    expect(kinds.slice(0, -1).every((verdict) => verdict.kind === 'looking')).toBe(true)
    expect(kinds.at(-1)).toMatchObject({ kind: 'student', studentId: 'S1' })
  })

  it('decides a face once: from then on it is only followed, and stays the student without an embedding', () => {
    const sightings = followSightings(gallery, RULE)
    for (let i = 0; i < AGREEING_SIGHTINGS; i++) {
      expect(sightings.wishes(i * 66).settled).toEqual([])
      sightings.add(frame(i * 66, [face(shot(1, i, 0.3))]))
    }
    expect(sightings.wishes(300)).toEqual({ settled: [1], watched: [] })
    expect(sightings.add(frame(300, [{ ...face(undefined), quality: undefined }]))[0]!.verdict).toMatchObject({ kind: 'student', studentId: 'S1' })
  })

  it('calls a stranger unknown, once for the first time, and never a student; then looks again only now and then', () => {
    const sightings = followSightings(gallery, RULE)
    let looks = 0
    const verdicts = Array.from({ length: 60 }, (_, i) => {
      const settled = sightings.wishes(i * 66).settled.includes(1)
      if (!settled) looks += 1
      return sightings.add(frame(i * 66, [settled ? { ...face(undefined), quality: undefined } : face(shot(50, i, 0.4))]))[0]!.verdict
    })
    expect(verdicts.some((verdict) => verdict.kind === 'student')).toBe(false)
    expect(verdicts.filter((verdict) => verdict.kind === 'unknown' && verdict.first)).toHaveLength(1)
    expect(looks).toBeLessThan(UNDECIDED_FRAMES + 10)
    expect(looks).toBeGreaterThan(UNDECIDED_FRAMES + 2)
  })

  it('does not let the person who steps into another one\'s place inherit the name', () => {
    const sightings = followSightings(gallery, RULE)
    for (let i = 0; i < 10; i++) sightings.add(frame(i * 66, [face(shot(1, i, 0.3))]))
    const stranger = sightings.add(frame(700, [face(shot(50, 0, 0.3))]))[0]!
    expect(stranger.verdict).toEqual({ kind: 'looking' })
  })

  it('recovers a student from frames that are each too poor by themselves', () => {
    const strict = { ...RULE, budget: 0.0003 }
    const sightings = followSightings(gallery, strict)
    const noise = 1.5
    expect(matchFaces(gallery, [probe(shot(1, 0, noise))], strict)[0]?.kind).not.toBe('match')
    const verdicts = Array.from({ length: 15 }, (_, i) => sightings.add(frame(i * 66, [face(shot(1, i, noise))]))[0]!.verdict)
    expect(verdicts.at(-1)).toMatchObject({ kind: 'student', studentId: 'S1' })
  })

  it('asks a student who looks like another one for a PIN, and never marks them by the face alone', () => {
    const sightings = followSightings(gallery, { ...RULE, lookAlikes: new Map([['S1', ['S2']], ['S2', ['S1']]]) })
    const verdicts = Array.from({ length: 20 }, (_, i) => sightings.add(frame(i * 66, [face(shot(1, i, 0.3))]))[0]!.verdict)
    expect(verdicts.some((verdict) => verdict.kind === 'student')).toBe(false)
    expect(verdicts.at(-1)).toMatchObject({ kind: 'ask', candidates: ['S1', 'S2'], needs: 'pin' })
  })

  it('marks nobody under "require" before the face has shown that it lives, and then asks for a turn of the head', () => {
    const sightings = followSightings(gallery, { ...RULE, liveness: 'require' })
    const still = Float32Array.from({ length: 468 * 3 }, (_, i) => 100 + ((i * 37) % 101))
    const verdicts = Array.from({ length: 200 }, (_, i) => sightings.add(frame(i * 66, [{ ...face(shot(1, i, 0.3)), landmarks: still }]))[0]!.verdict)
    expect(verdicts.some((verdict) => verdict.kind === 'student')).toBe(false)
    expect(verdicts.some((verdict) => verdict.kind === 'challenge')).toBe(true)
    expect(verdicts.at(-1)).toEqual({ kind: 'doubtful' })
  })

  it('marks at once under "watch", and flags the mark when no life was seen after all', () => {
    const sightings = followSightings(gallery, { ...RULE, liveness: 'watch' })
    const still = Float32Array.from({ length: 468 * 3 }, (_, i) => 100 + ((i * 37) % 101))
    const verdicts = Array.from({ length: 200 }, (_, i) => sightings.add(frame(i * 66, [{ ...face(shot(1, i, 0.3)), landmarks: still }]))[0]!.verdict)
    expect(verdicts[AGREEING_SIGHTINGS]).toMatchObject({ kind: 'student', studentId: 'S1' })
    expect(verdicts[AGREEING_SIGHTINGS]).not.toHaveProperty('doubt')
    expect(verdicts.at(-1)).toMatchObject({ kind: 'student', studentId: 'S1', doubt: 'no_life_seen' })
    expect(sightings.wishes(200 * 66).watched).toEqual([])
  })

  it('shows refused faces without looking at them', () => {
    const sightings = followSightings(gallery, RULE)
    expect(sightings.add(frame(0, [face(undefined, 1, 'too_small')]))[0]!.verdict).toEqual({ kind: 'refused' })
  })

  it('names only the later of two faces that were found to be one student, when the first comes back into view', () => {
    const sightings = followSightings(gallery, RULE)
    const followed = (track: number): Face => ({ ...face(undefined, track), quality: undefined })
    for (let i = 0; i < 4; i++) sightings.add(frame(i * 66, [face(shot(1, i, 0.3), 1)]))
    for (let i = 4; i < 8; i++) sightings.add(frame(i * 66, [face(shot(1, i, 0.3), 2)]))
    expect(sightings.add(frame(8 * 66, [followed(1), followed(2)])).map(({ verdict }) => verdict)).toMatchObject([{ kind: 'looking' }, { kind: 'student', studentId: 'S1' }])
    expect(sightings.wishes(8 * 66).settled).toEqual([2])
  })

  it('names at any moment no student twice, whoever walks where', () => {
    const step = fc.array(fc.record({ who: fc.integer({ min: 0, max: 6 }), track: fc.integer({ min: 1, max: 6 }), noise: fc.double({ min: 0, max: 1, noNaN: true }) }), { maxLength: 5 })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const sightings = followSightings(gallery, RULE)
        steps.forEach((faces, i) => {
          const apart = faces.filter((one, at) => faces.findIndex((other) => other.track === one.track) === at)
          const seen = sightings.add(frame(i * 80, apart.map((f) => face(shot(f.who, i, f.noise), f.track))))
          const named = seen.flatMap(({ verdict }) => (verdict.kind === 'student' ? [verdict.studentId] : []))
          expect(new Set(named).size).toBe(named.length)
          expect(seen).toHaveLength(apart.length)
        })
      }),
    )
  })
})

describe('register', () => {
  const lesson: Lesson = {
    lesson_id: '7', held_on: '2026-11-23', course_id: 'CS101', course_code: 'CS 101', course_name: 'Programming', room_id: 'LAB-301',
    starts_at: '2026-11-23T09:00:00Z', ends_at: '2026-11-23T10:00:00Z', student_ids: ['S1', 'S2'],
  }
  const options = { debounceMs: 30_000, model: CURRENT_MODEL }

  it('marks each student once, whatever is seen, saved, failed or repeated', () => {
    const events = fc.array(fc.record({ id: fc.constantFrom('S1', 'S2'), wait: fc.integer({ min: 0, max: 60_000 }), saved: fc.boolean() }), { maxLength: 60 })
    fc.assert(
      fc.property(events, (list) => {
        const register = openRegister(lesson, [], options)
        const confirmed: string[] = []
        let at = Date.parse(lesson.starts_at)
        for (const event of list) {
          at += event.wait
          const seen = register.see({ studentId: event.id, confidence: 0.8, at })
          if (seen?.kind !== 'mark') continue
          if (event.saved) {
            register.confirm(seen.mark)
            confirmed.push(event.id)
          } else register.release(seen.mark)
        }
        expect(new Set(confirmed).size).toBe(confirmed.length)
        expect(register.present().map((one) => one.studentId).sort()).toEqual([...confirmed].sort())
      }),
    )
  })

  it('shows nobody before the mark is saved', () => {
    const register = openRegister(lesson, [], options)
    const seen = register.see({ studentId: 'S1', confidence: 0.8, at: 0 })
    expect(register.present()).toEqual([])
    if (seen?.kind === 'mark') register.confirm(seen.mark)
    expect(register.present()).toHaveLength(1)
  })

  it('moves last seen, at most once in a debounce time', () => {
    const register = openRegister(lesson, [{ student_id: 'S1', timestamp: '2026-11-23T09:00:05.000Z', last_seen: '2026-11-23T09:00:05.000Z' }], options)
    const at = Date.parse('2026-11-23T09:00:05.000Z')
    expect(register.see({ studentId: 'S1', confidence: 0.8, at: at + 29_999 })).toBeUndefined()
    expect(register.see({ studentId: 'S1', confidence: 0.8, at: at + 30_000 })).toEqual({ kind: 'seen_again', studentId: 'S1', at: at + 30_000 })
    expect(register.see({ studentId: 'S1', confidence: 0.8, at: at + 30_001 })).toBeUndefined()
    expect(register.present()[0]).toMatchObject({ markedAt: at, lastSeenAt: at + 30_000 })
  })

  it('marks nobody who is not enrolled in the lesson', () => {
    expect(openRegister(lesson, [], options).see({ studentId: 'S9', confidence: 1, at: 0 })).toBeUndefined()
  })

  it('makes marks that the contract accepts', async () => {
    const { AttendanceRecord } = await import('#contract/attendance')
    fc.assert(
      fc.property(fc.double({ min: -1, max: 2, noNaN: true }), fc.integer({ min: 0, max: 4e12 }), (confidence, at) => {
        const seen = openRegister(lesson, [], options).see({ studentId: 'S1', confidence, at })
        expect(seen?.kind === 'mark' && AttendanceRecord.safeParse(seen.mark).success).toBe(true)
      }),
    )
  })
})
