/** Pictures in the browser, for as long as they are looked at: a file or a frame -> a bitmap, a small canvas to show. */
import type { Box } from '../vision/face.ts'

/** Longest side of a photo that is looked at, pixels; the same as the encode command's. */
const LONGEST_SIDE = 1600

/** The file is no picture that this browser reads. */
export class PictureUnreadable extends Error {
  override name = 'PictureUnreadable'
}

/** Upright (EXIF) and at most LONGEST_SIDE pixels long. Throws PictureUnreadable, whose message is the reason and the remedy. */
export async function readPicture(file: Blob): Promise<ImageBitmap> {
  const whole = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch((cause: unknown) => {
    throw new PictureUnreadable('It is no picture that this browser reads. Save it as JPEG or PNG.', { cause })
  })
  const scale = LONGEST_SIDE / Math.max(whole.width, whole.height)
  if (scale >= 1) return whole
  try {
    return await createImageBitmap(whole, {
      resizeWidth: Math.max(1, Math.round(whole.width * scale)),
      resizeHeight: Math.max(1, Math.round(whole.height * scale)),
      resizeQuality: 'high',
    })
  } finally {
    whole.close()
  }
}

/** A copy to cut a face from later: the bitmap itself goes to the worker. */
export function copyPicture(picture: ImageBitmap): HTMLCanvasElement {
  const copy = document.createElement('canvas')
  copy.width = picture.width
  copy.height = picture.height
  copy.getContext('2d')?.drawImage(picture, 0, 0)
  return copy
}

/** Pixels of a thumbnail's side, for a screen of two pixels a point. */
const THUMBNAIL_SIDE = 192
/** How much of the surroundings a thumbnail shows: the detector's box ends at the eyebrows. */
const AROUND_FACE = 1.7

/** The face and a little around it, as a square. */
export function thumbnailOf(picture: HTMLCanvasElement, face: Box): HTMLCanvasElement {
  const thumbnail = document.createElement('canvas')
  thumbnail.width = THUMBNAIL_SIDE
  thumbnail.height = THUMBNAIL_SIDE
  const side = Math.max(face.width, face.height) * AROUND_FACE
  const left = face.x + face.width / 2 - side / 2
  const top = face.y + face.height / 2 - side * 0.55
  thumbnail.getContext('2d')?.drawImage(picture, left, top, side, side, 0, 0, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
  return thumbnail
}
