/**
 * A card held before the camera: a frame -> what its QR code says. Knows no student and no lesson, and finds no face.
 *
 * A frame is read at 640 pixels across at most: a code of 4 cm, 30 cm before a camera of 60 degrees, is then 74 pixels wide, 3 a module.
 */
import type jsQR from 'jsqr'

const READ_ACROSS = 640

export interface CardReader {
  /** The text of the code in sight; undefined: none that can be read. The frame stays the caller's. */
  read(frame: ImageBitmap): Promise<string | undefined>
}

/** Loads what reads codes with the first frame: a kiosk that no card is ever shown to does without. */
export function openCardReader(): CardReader {
  let loading: Promise<{ default: typeof jsQR }> | undefined
  let canvas: OffscreenCanvas | undefined
  return {
    async read(frame) {
      loading ??= import('jsqr')
      const { default: readCode } = await loading
      const scale = Math.min(1, READ_ACROSS / Math.max(frame.width, frame.height))
      const [width, height] = [Math.round(frame.width * scale), Math.round(frame.height * scale)]
      if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height)
      const context = canvas.getContext('2d', { willReadFrequently: true, alpha: false })
      if (!context) throw new Error('no 2d canvas in this browser')
      context.drawImage(frame, 0, 0, width, height)
      // Printed dark on white: its negative is not looked for, which halves the work.
      const code = readCode(context.getImageData(0, 0, width, height).data, width, height, { inversionAttempts: 'dontInvert' })
      return code?.data || undefined
    },
  }
}
