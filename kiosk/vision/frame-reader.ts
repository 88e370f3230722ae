/** A frame's pixels, read into memory that is used again for the next frame. Knows the browser's pictures, no face. */
import type { Pixels } from './align.ts'

export interface FrameReader {
  /** The pixels stand until the next read. In memory that workers share, where the page may have such. */
  read(frame: ImageBitmap): Promise<Pixels>
}

/**
 * [Note: One memory for all frames] A frame is never drawn at its full size. Chromium keeps a copy of every picture that is drawn on a
 * canvas, in shared memory of its own, until there are 128 of them: at 1280 x 720 the page's process grew by 455 MB within some 200
 * camera frames, in 128 regions of 4 MB, while tensors and JavaScript stood still, and then no more (read from /proc/PID/smaps, Chromium 156;
 * that it is the cache of decoded images is inferred from the size and the number). Read like this there are 2 such regions after 400 frames.
 *
 * And a canvas's getImageData makes a new array of 3.7 MB for each frame. VideoFrame.copyTo writes the same bytes (compared on camera
 * frames: not one differs) into memory of ours, in 0.3 ms instead of 3 to 4 (640 x 480).
 */
export function openFrameReader(): FrameReader {
  let pixels: Pixels = { data: new Uint8ClampedArray(0), width: 0, height: 0 }
  let canvas: OffscreenCanvas | undefined
  let converts = typeof VideoFrame === 'function'

  const readCanvas = (frame: ImageBitmap): void => {
    const { width, height } = frame
    if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext('2d', { willReadFrequently: true, alpha: false })
    if (!context) throw new Error('no 2d canvas in this browser')
    context.drawImage(frame, 0, 0)
    pixels.data.set(context.getImageData(0, 0, width, height).data)
  }

  return {
    async read(frame) {
      const { width, height } = frame
      if (pixels.width !== width || pixels.height !== height) {
        const bytes = 4 * width * height
        pixels = { data: new Uint8ClampedArray(self.crossOriginIsolated ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)), width, height }
      }
      if (converts) {
        const video = new VideoFrame(frame, { timestamp: 0 })
        try {
          await video.copyTo(pixels.data, { format: 'RGBA' })
          return pixels
        } catch {
          // Before Chromium 127 copyTo does not convert colours.
          converts = false
        } finally {
          video.close()
        }
      }
      readCanvas(frame)
      return pixels
    },
  }
}
