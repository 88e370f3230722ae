/** A photo file -> pixels, in Node. The only importer of sharp; knows no face. */
import sharp from 'sharp'
import type { Pixels } from '../vision/align.ts'

/** Longest side of a photo that is looked at, pixels: a face of a class photo is still large enough, and a phone's 48 MP are not. */
export const LONGEST_SIDE = 1600

/** The file is no picture, or a broken one; the message says which and what to do. */
export class PhotoUnreadable extends Error {
  override name = 'PhotoUnreadable'
}

/** Upright (EXIF), in sRGB, on white where it is transparent, at most LONGEST_SIDE pixels long. Throws PhotoUnreadable. */
export async function readPhoto(path: string): Promise<Pixels> {
  try {
    const { data, info } = await sharp(path, { failOn: 'error' })
      .autoOrient()
      .resize({ width: LONGEST_SIDE, height: LONGEST_SIDE, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength), width: info.width, height: info.height }
  } catch (cause) {
    throw new PhotoUnreadable(unreadableWords(cause), { cause })
  }
}

function unreadableWords(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (/missing|no such file|ENOENT/i.test(message)) return 'There is no such file.'
  if (/permission|EACCES/i.test(message)) return 'It may not be read: change its permissions.'
  if (/unsupported image format|not a known file format|is empty/i.test(message)) return 'It is no picture. Save it as JPEG or PNG.'
  return 'The picture is broken or cut short. Copy it again, or save it as JPEG or PNG.'
}
