/**
 * Where things are on the live picture. The camera's frame is shown whole, centred and mirrored, as in
 * a mirror; boxes of the frame become boxes of the picture. Sizes of the screen are CSS pixels.
 */
import type { Box } from '../vision/face.ts'

export interface Size {
  width: number
  height: number
}

/** The largest box of the frame's shape inside the stage, centred. A frame of no size fills the stage. */
export function pictureIn(stage: Size, frame: Size): Box {
  if (frame.width <= 0 || frame.height <= 0) return { x: 0, y: 0, ...stage }
  const scale = Math.min(stage.width / frame.width, stage.height / frame.height)
  const width = frame.width * scale
  const height = frame.height * scale
  return { x: (stage.width - width) / 2, y: (stage.height - height) / 2, width, height }
}

/** A box of the frame as it stands on the mirrored picture, measured from the picture's top left corner. */
export function mirrored(box: Box, frame: Size, picture: Size): Box {
  const across = picture.width / frame.width
  const down = picture.height / frame.height
  return {
    x: (frame.width - box.x - box.width) * across,
    y: box.y * down,
    width: box.width * across,
    height: box.height * down,
  }
}

export function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

export function within(inner: Box, outer: Size): boolean {
  return inner.x >= 0 && inner.y >= 0 && inner.x + inner.width <= outer.width && inner.y + inner.height <= outer.height
}
