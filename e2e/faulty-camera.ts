/**
 * A camera whose faults are a test's: stands between the page and the browser's camera, where the hardware would be.
 * The page is handed a stream painted from the real (fake-device) camera's picture, until the test says otherwise.
 */
import type { Page } from 'playwright-core'

/**
 * `well`: the real picture. `covered`: the noise of a covered sensor. `stuck`: the same picture to the bit, again and
 * again. `silent`: no frame at all. `gone`: the cable is out: the stream ends and no camera is found.
 */
export type CameraFault = 'well' | 'covered' | 'stuck' | 'silent' | 'gone'

interface Hardware {
  set(fault: CameraFault): void
  /** How often a camera was opened. */
  opened: number
}

/** Before the page is opened. */
export async function plugFaultyCamera(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    const [width, height, fps] = [640, 480, 15]
    let fault: CameraFault = 'well'
    const ends: (() => void)[] = []
    /** A driver that hangs gives the same picture also to whoever opens it again. */
    let still: ImageData | undefined
    const hardware: Hardware = {
      opened: 0,
      set(next) {
        const before = fault
        fault = next
        if (next === 'gone') for (const end of ends.splice(0)) end()
        if ((next === 'gone') !== (before === 'gone')) navigator.mediaDevices.dispatchEvent(new Event('devicechange'))
      },
    }
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      if (fault === 'gone') throw new DOMException('Requested device not found', 'NotFoundError')
      const real = await open(wanted)
      hardware.opened += 1
      const video = document.createElement('video')
      video.muted = true
      video.srcObject = real
      await video.play()
      const canvas = document.createElement('canvas')
      canvas.width = width
      canvas.height = height
      const paint = canvas.getContext('2d', { willReadFrequently: true })!
      const painted = canvas.captureStream(fps)
      let moment = 0
      const painting = setInterval(() => {
        moment += 1
        if (fault === 'silent') return
        if (fault !== 'stuck') still = undefined
        if (fault === 'covered') {
          const noise = paint.createImageData(width, height)
          for (let i = 0; i < noise.data.length; i += 4) noise.data.set([(i * moment) % 17, (i * moment) % 13, (i * moment) % 19, 255], i)
          return paint.putImageData(noise, 0, 0)
        }
        if (still) return paint.putImageData(still, 0, 0)
        paint.drawImage(video, 0, 0, width, height)
        // One pixel of a sensor's noise: films hold stills, sensors do not.
        paint.fillStyle = `rgb(${moment % 256} 90 90)`
        paint.fillRect(0, 0, width / 32, height / 18)
        if (fault === 'stuck') still = paint.getImageData(0, 0, width, height)
      }, 1000 / fps)
      const [track] = painted.getVideoTracks()
      const stop = track!.stop.bind(track)
      const free = (): void => {
        clearInterval(painting)
        for (const one of real.getTracks()) one.stop()
      }
      track!.stop = () => {
        free()
        stop()
      }
      ends.push(() => {
        free()
        stop()
        track!.dispatchEvent(new Event('ended'))
      })
      return painted
    }
    ;(window as unknown as { hardware: Hardware }).hardware = hardware
  })
}

export function setCamera(page: Page, fault: CameraFault): Promise<void> {
  return page.evaluate((next) => (window as unknown as { hardware: Hardware }).hardware.set(next), fault)
}

export function timesOpened(page: Page): Promise<number> {
  return page.evaluate(() => (window as unknown as { hardware: Hardware }).hardware.opened)
}
