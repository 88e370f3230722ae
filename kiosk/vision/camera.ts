/**
 * The camera: the only owner of getUserMedia. Hands out the newest frame, says how it is, and comes back
 * by itself. Knows no face and no worker.
 *
 * States: `starting` until the first answer. `live`: frames come. `none`: no camera found, or another
 * program holds it. `denied`: permission refused. `lost`: there was a camera and now there is none, or
 * its picture stands still. From everything but `live` it tries again: every few seconds, when a device
 * is plugged in, when the permission changes.
 */
import type { CameraState } from '#contract/device'

export interface Camera {
  /** Plays the live picture; put it where it is to be seen. */
  readonly video: HTMLVideoElement
  readonly state: CameraState
  /**
   * The newest frame that was not handed out before, after leaving out `skip`. Waits as long as there is
   * no camera. The caller closes the bitmap, or transfers it. Rejects with CameraClosed, nothing else.
   */
  nextFrame(skip: number): Promise<ImageBitmap>
  close(): void
}

export class CameraClosed extends Error {
  override name = 'CameraClosed'
}

/**
 * Asked of the camera, not demanded. The detector sees a smaller copy in any case; the embedding gains:
 * a face has twice as many pixels across as at 640.
 */
const WIDTH = 1280
const HEIGHT = 720

/** Milliseconds between two tries. After a refusal longer, so that a person is not asked again and again. */
const RETRY_MS = 3000
const RETRY_DENIED_MS = 30_000

/** Milliseconds without a new frame, on a visible page, from which the picture counts as frozen. */
const FROZEN_MS = 5000

interface Waiting {
  skip: number
  resolve(frame: ImageBitmap): void
  reject(error: CameraClosed): void
}

const refusals = new Set(['NotAllowedError', 'SecurityError'])

export function openCamera({ fps, onState }: { fps: number; onState: (state: CameraState) => void }): Camera {
  const video = document.createElement('video')
  video.muted = true
  video.playsInline = true

  let state: CameraState = 'starting'
  let wasLive = false
  let closed = false
  let opening = false
  let stream: MediaStream | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let watchdog: ReturnType<typeof setTimeout> | undefined
  /** Frames presented by this stream, and the number of the newest one handed out. */
  let presented = 0
  let given = 0
  let waiting: Waiting[] = []
  let copying = false

  const enter = (next: CameraState): void => {
    if (closed || state === next) return
    state = next
    onState(next)
  }

  const stop = (): void => {
    clearTimeout(watchdog)
    for (const track of stream?.getTracks() ?? []) {
      track.removeEventListener('ended', lose)
      track.stop()
    }
    stream = undefined
    video.srcObject = null
  }

  const retryIn = (milliseconds: number): void => {
    clearTimeout(retry)
    if (!closed) retry = setTimeout(() => void open(), milliseconds)
  }

  function lose(): void {
    stop()
    enter('lost')
    retryIn(RETRY_MS)
  }

  const watch = (): void => {
    clearTimeout(watchdog)
    // A hidden page gets no frames; that is no fault of the camera.
    watchdog = setTimeout(() => (document.hidden ? watch() : lose()), FROZEN_MS)
  }

  const handOut = async (): Promise<void> => {
    const next = waiting[0]
    if (copying || !next || presented - given <= next.skip) return
    copying = true
    const number = presented
    try {
      const frame = await createImageBitmap(video)
      given = number
      if (waiting[0] === next) {
        waiting.shift()
        next.resolve(frame)
      } else frame.close()
    } catch {
      // The camera went in this moment; the next frame serves.
    } finally {
      copying = false
    }
  }

  const follow = (of: MediaStream): void => {
    video.requestVideoFrameCallback((_now, { presentedFrames }) => {
      if (stream !== of) return
      presented = Math.max(presented + 1, presentedFrames)
      wasLive = true
      enter('live')
      watch()
      void handOut()
      follow(of)
    })
  }

  async function open(): Promise<void> {
    if (opening || closed || stream) return
    opening = true
    clearTimeout(retry)
    try {
      const found = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: WIDTH }, height: { ideal: HEIGHT }, frameRate: { ideal: fps } },
      })
      if (closed) return found.getTracks().forEach((track) => track.stop())
      stream = found
      presented = 0
      given = 0
      for (const track of found.getTracks()) track.addEventListener('ended', lose)
      video.srcObject = found
      follow(found)
      watch()
      await video.play()
    } catch (error) {
      stop()
      const denied = error instanceof DOMException && refusals.has(error.name)
      enter(denied ? 'denied' : wasLive ? 'lost' : 'none')
      retryIn(denied ? RETRY_DENIED_MS : RETRY_MS)
    } finally {
      opening = false
    }
  }

  const openNow = (): void => void open()
  // Missing where the page is neither https nor localhost.
  const devices: MediaDevices | undefined = navigator.mediaDevices
  devices?.addEventListener('devicechange', openNow)
  let permission: PermissionStatus | undefined
  void navigator.permissions
    ?.query({ name: 'camera' as PermissionName })
    .then((status) => {
      if (closed) return
      permission = status
      status.addEventListener('change', openNow)
    })
    .catch(() => undefined)

  onState(state)
  void open()

  return {
    video,
    get state() {
      return state
    },
    nextFrame(skip) {
      if (closed) return Promise.reject(new CameraClosed('the camera was closed'))
      return new Promise((resolve, reject) => {
        waiting.push({ skip, resolve, reject })
        void handOut()
      })
    },
    close() {
      closed = true
      clearTimeout(retry)
      stop()
      devices?.removeEventListener('devicechange', openNow)
      permission?.removeEventListener('change', openNow)
      for (const { reject } of waiting) reject(new CameraClosed('the camera was closed'))
      waiting = []
    },
  }
}
