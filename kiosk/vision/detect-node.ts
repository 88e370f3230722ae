/**
 * BlazeFace full range as a TensorFlow.js graph: finds faces where MediaPipe's own runtime cannot run
 * (Node). Knows one network and its anchors.
 */
import type { Pixels, Similarity } from './align.ts'
import { apply, invert, warp } from './align.ts'
import type { Detection } from './detection.ts'
import { DETECTOR_SIZE, MIN_OVERLAP, MIN_SCORE, overlap } from './detection.ts'
import type { Box } from './face.ts'
import type { Network } from './networks.ts'
import { run } from './networks.ts'

/** One anchor in the middle of each cell of 4 x 4 pixels, all of one size (face_detection_full_range_common.pbtxt). */
const CELL = 4
const CELLS = DETECTOR_SIZE / CELL

/** Per anchor: logit, then box centre, size and six points, in pixels from the anchor. */
const NUMBERS = 17

/** The whole frame in the middle of the detector's square. */
function fit({ width, height }: Pixels): Similarity {
  const scale = DETECTOR_SIZE / Math.max(width, height)
  return { a: scale, b: 0, x0: (DETECTOR_SIZE - scale * width) / 2, y0: (DETECTOR_SIZE - scale * height) / 2 }
}

/** A candidate in the detector's square: centre and size, then eyes. */
interface Candidate {
  score: number
  /** centre x, y, width, height, right eye x, y, left eye x, y */
  numbers: number[]
}

function decode(raw: Float32Array): Candidate[] {
  const found: Candidate[] = []
  for (let anchor = 0; anchor < CELLS * CELLS; anchor++) {
    const at = anchor * NUMBERS
    const score = 1 / (1 + Math.exp(-(raw[at] ?? -Infinity)))
    if (score < MIN_SCORE) continue
    const x = ((anchor % CELLS) + 0.5) * CELL
    const y = (Math.floor(anchor / CELLS) + 0.5) * CELL
    const number = (i: number): number => raw[at + 1 + i] ?? 0
    found.push({
      score,
      numbers: [x + number(0), y + number(1), number(2), number(3), x + number(4), y + number(5), x + number(6), y + number(7)],
    })
  }
  return found.sort((one, other) => other.score - one.score)
}

function boxOf([x = 0, y = 0, width = 0, height = 0]: number[]): Box {
  return { x: x - width / 2, y: y - height / 2, width, height }
}

/** Candidates of one face become their mean, weighted by score (MediaPipe's weighted non-maximum suppression). */
function merge(candidates: Candidate[]): Candidate[] {
  const merged: Candidate[] = []
  let rest = candidates
  while (rest[0]) {
    const best = rest[0]
    const same = rest.filter(({ numbers }) => overlap(boxOf(numbers), boxOf(best.numbers)) > MIN_OVERLAP)
    rest = rest.filter((candidate) => candidate !== best && !same.includes(candidate))
    const total = same.reduce((sum, { score }) => sum + score, 0)
    const numbers = best.numbers.map((own, i) => (total > 0 ? same.reduce((sum, c) => sum + c.score * (c.numbers[i] ?? 0), 0) / total : own))
    merged.push({ score: best.score, numbers })
  }
  return merged
}

/** All faces of the frame, surest first. */
export function detect(network: Network, pixels: Pixels): Detection[] {
  const toSquare = fit(pixels)
  const square = warp(pixels, toSquare, DETECTOR_SIZE).map((value) => value / 127.5 - 1)
  const [raw] = run(network, square, DETECTOR_SIZE, ['Identity'])
  if (!raw || raw.length !== CELLS * CELLS * NUMBERS) throw new Error('the detector gave an answer of another size')
  const back = invert(toSquare)
  return merge(decode(raw)).map(({ score, numbers }) => {
    const [, , , , rx = 0, ry = 0, lx = 0, ly = 0] = numbers
    const box = boxOf(numbers)
    const corner = apply(back, box)
    return {
      score,
      box: { ...corner, width: box.width * back.a, height: box.height * back.a },
      rightEye: apply(back, { x: rx, y: ry }),
      leftEye: apply(back, { x: lx, y: ly }),
    }
  })
}
