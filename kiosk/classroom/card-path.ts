/**
 * The way to a mark by card: what a scanner or the camera has read becomes its student. Knows the lesson and no camera, screen or server, so it works
 * under every policy and whatever else is broken; `panel` is what the screen shows of it, where there is something to say.
 */
import { cardHash } from '../attendance/card-check.ts'
import type { Moment } from '../store/store.ts'
import type { InLesson, MarkedBy } from './in-lesson.ts'
import type { CardPanel, WaitingStudent } from './state.ts'
import { sentence } from './wording.ts'

/** What was said of a card stands so long. */
const TOLD_MS = 6_000
/** A card that stays in sight is one card. */
const SAME_CARD_MS = 5_000

export type CardMarked = Extract<MarkedBy, { kind: 'marked' }>

export interface CardPath {
  readonly panel: CardPanel
  /**
   * @param by `camera` reads whatever code is in sight: what is no card of ours is passed over there, and told of from a scanner
   * @returns `passed`: no card of ours, or the same one still in sight
   */
  show(text: string, by: 'scanner' | 'camera'): Promise<'read' | 'passed'>
  close(): void
  /** To be called every second. */
  tick(): void
}

export interface CardPathOptions {
  /** Clock that nobody sets, ms. */
  clock: () => number
  moment: () => Moment
  lesson: () => InLesson | undefined
  /** The face that was just asked to prove that it is this student; undefined: none was. */
  faceOf: (studentId: string) => { track: number; score: number } | undefined
  /** Whether the face must confirm what the card says; it has taken over then. */
  confirms: (student: WaitingStudent) => boolean
  /** On disk. */
  onMarked: (marked: CardMarked, track: number | undefined) => void
  onChange: () => void
}

export function openCardPath(o: CardPathOptions): CardPath {
  let panel: CardPanel = { step: 'closed' }
  let toldAt = 0
  let last: { text: string; at: number } | undefined
  let busy = false

  function tell(next: CardPanel): void {
    panel = next
    toldAt = o.clock()
    o.onChange()
  }

  async function judge(text: string, by: 'scanner' | 'camera'): Promise<CardPanel | undefined> {
    const hash = await cardHash(text)
    const on = o.lesson()
    if (!on || (hash === undefined && by === 'camera')) return undefined
    const student = hash === undefined ? undefined : on.ownerOf(hash)
    if (!student) return { step: 'unknown_card' }
    if (on.present().some(({ studentId }) => studentId === student.studentId)) return { step: 'here_already', student }
    if (o.confirms(student)) return { step: 'closed' }
    const face = o.faceOf(student.studentId)
    const factor = face ? ({ method: 'face_and_qr', confidence: face.score } as const) : ({ method: 'qr', confidence: 1 } as const)
    const marked = await on.markBy({ studentId: student.studentId, ...factor, ...o.moment() }, face?.track)
    if (marked.kind === 'not_saved') return { step: 'card_not_saved', why: sentence(marked.fault) }
    if (marked.kind === 'marked') o.onMarked(marked, face?.track)
    return { step: 'closed' }
  }

  return {
    get panel(): CardPanel {
      return o.lesson() ? panel : { step: 'closed' }
    },
    async show(text, by) {
      const now = o.clock()
      if (busy || (by === 'camera' && last?.text === text && now - last.at < SAME_CARD_MS)) return 'passed'
      last = { text, at: now }
      busy = true
      try {
        const next = await judge(text, by)
        if (!next) return 'passed'
        tell(next)
        return 'read'
      } finally {
        busy = false
      }
    },
    close() {
      if (panel.step !== 'closed') tell({ step: 'closed' })
    },
    tick() {
      if (panel.step !== 'closed' && o.clock() - toldAt >= TOLD_MS) tell({ step: 'closed' })
    },
  }
}
