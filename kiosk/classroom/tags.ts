/**
 * Where the name tags stand: beside their faces, never over a face (nobody's) and never over each
 * other. A tag that finds no such place is left out: the name stands in the list all the same.
 */
import type { Box } from '../vision/face.ts'
import { type Size, overlap, within } from './picture.ts'

export interface TagWish {
  /** The face, on the picture. */
  face: Box
  /** Width of the whole tag, CSS pixels; undefined: this face wants none, and still nothing may cover it. */
  width: number | undefined
  /** Lower goes first where space is scarce. */
  rank: number
}

export interface TagSizes {
  height: number
  /** Between a face and its tag, and between the tag and the picture's edge. */
  gap: number
  /** A tag cut shorter than this says nothing. */
  narrowest: number
}

/** The detector's box ends at the eyebrows; so much of its height above it is still forehead and hair. */
const FOREHEAD = 0.25

/** One place, or none, for each wish, in the wishes' order. */
export function placeTags(wishes: TagWish[], sizes: TagSizes, picture: Size): (Box | undefined)[] {
  const faces = wishes.map(({ face }) => withForehead(face))
  const places: (Box | undefined)[] = wishes.map(() => undefined)
  const order = wishes.map((_, at) => at).sort((a, b) => wishes[a]!.rank - wishes[b]!.rank || area(wishes[b]!.face) - area(wishes[a]!.face))
  for (const at of order) {
    const taken = [...faces, ...places.filter((place) => place !== undefined)]
    const { face, width } = wishes[at]!
    if (width === undefined) continue
    places[at] = candidates(face, width, sizes, picture).find((place) => within(place, picture) && !taken.some((other) => overlap(place, other)))
  }
  return places
}

/** The whole text before a cut one; below the face before above it before beside it. */
function candidates(face: Box, width: number, { height, gap, narrowest }: TagSizes, picture: Size): Box[] {
  const room = picture.width - 2 * gap
  const widths = [...new Set([width, width * 0.75, width * 0.5, narrowest].map((one) => Math.min(Math.max(one, narrowest), width, room)))].sort((a, b) => b - a)
  const head = withForehead(face)
  const right = face.x + face.width
  return widths.flatMap((wide) => {
    const inside = (x: number) => Math.min(Math.max(x, gap), Math.max(gap, picture.width - gap - wide))
    const across = [face.x + face.width / 2 - wide / 2, face.x, right - wide].map(inside)
    const rows = [face.y + face.height + gap, head.y - gap - height]
    const beside = [right + gap, face.x - gap - wide]
    const low = Math.min(face.y + face.height, picture.height - gap) - height
    return [...rows.flatMap((y) => across.map((x) => ({ x, y, width: wide, height }))), ...beside.map((x) => ({ x, y: low, width: wide, height }))]
  })
}

function withForehead({ x, y, width, height }: Box): Box {
  return { x, y: y - height * FOREHEAD, width, height: height * (1 + FOREHEAD) }
}

function area({ width, height }: Box): number {
  return width * height
}
