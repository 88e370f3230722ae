/**
 * The camera: the only owner of getUserMedia. Hands out the newest frame, says how it is, and comes back
 * by itself. Knows no face and no worker.
 *
 * States: `starting` until the first answer. `live`: frames come that show something. `none`: no camera found, or
 * another program holds it. `denied`: permission refused. `lost`: there was a camera and now there is none.
 * `black`: there is nothing to see in its frames. `frozen`: no frames come, or always the same one.
 *   1. from `none`, `denied` and `lost` it tries again: every few seconds, when a device is plugged in, when the
 *      permission changes;
 *   2. a camera without frames is started again at once, and again;
 *   3. a black or frozen picture (picture-health.ts) starts it again after 30 s, then ever more seldom: a driver that
 *      hangs comes back by that. Frames are handed out all the while, and with the first good one it is `live`: a
 *      false alarm costs a notice, never a mark.
 */
import type { CameraState } from '#contract/device'
import { type PictureHealth, samplePixels, watchPictures } from './picture-health.ts'

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

/** A camera that does not answer for so long, though it is allowed, is asked again. */
const ANSWER_MS = 15_000

/** Milliseconds without a new frame, on a visible page, from which the picture counts as frozen. */
const NO_FRAME_MS = 5000

/** How often a picture is looked at for its health; at fault more often, so that it is live again at once. */
const SAMPLE_EVERY_MS = 1000
const SAMPLE_FAULTY_EVERY_MS = 200

/** So long a picture may be at fault before the camera is started again; then twice as long each time, at most 16 minutes. */
const RESTART_FIRST_MS = 30_000
const RESTART_MOST_MS = 960_000

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
  const copyPicture = openCopier(video)
  let pictures = watchPictures()
  /** What the pictures say; the camera may be worse. */
  let health: PictureHealth['state'] = 'live'
  let sampledAt = -Infinity
  let restartAfter = RESTART_FIRST_MS
  /** Counts the askings for a camera: an answer to an older one comes too late. */
  let asking = 0

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

  /** The camera went. What it will show when it comes back is judged afresh. */
  function lose(): void {
    stop()
    pictures = watchPictures()
    health = 'live'
    restartAfter = RESTART_FIRST_MS
    enter('lost')
    retryIn(RETRY_MS)
  }

  const watch = (): void => {
    clearTimeout(watchdog)
    watchdog = setTimeout(() => {
      // A hidden page gets no frames; that is no fault of the camera.
      if (document.hidden) return watch()
      stop()
      enter('frozen')
      void open()
    }, NO_FRAME_MS)
  }

  /** Says how the picture is, and starts the camera again where it has been at fault for long. */
  const judge = (pixels: ImageData, at: number): void => {
    if (at - sampledAt < (health === 'live' ? SAMPLE_EVERY_MS : SAMPLE_FAULTY_EVERY_MS)) return
    sampledAt = at
    const { state: found, faultyMs } = pictures.add(samplePixels(pixels), at)
    health = found
    enter(health)
    if (faultyMs === 0) restartAfter = RESTART_FIRST_MS
    if (faultyMs < restartAfter) return
    restartAfter = faultyMs + Math.min(RESTART_MOST_MS, faultyMs)
    stop()
    void open()
  }

  const handOut = async (): Promise<void> => {
    const next = waiting[0]
    if (copying || !next || presented - given <= next.skip) return
    copying = true
    const number = presented
    const from = stream
    try {
      const { frame, pixels } = await copyPicture()
      given = number
      if (waiting[0] === next) {
        waiting.shift()
        next.resolve(frame)
      } else frame.close()
      if (pixels && from && stream === from) judge(pixels, performance.now())
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
      enter(health)
      watch()
      void handOut()
      follow(of)
    })
  }

  async function open(): Promise<void> {
    if (opening || closed || stream) return
    opening = true
    clearTimeout(retry)
    const asked = ++asking
    const patience = setTimeout(() => {
      // While a person is asked for permission there is no hurry.
      if (permission?.state !== 'granted' || asked !== asking) return
      asking += 1
      opening = false
      enter(wasLive ? 'lost' : 'none')
      retryIn(RETRY_MS)
    }, ANSWER_MS)
    try {
      const found = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: WIDTH }, height: { ideal: HEIGHT }, frameRate: { ideal: fps } },
      })
      if (closed || asked !== asking) return found.getTracks().forEach((track) => track.stop())
      stream = found
      presented = 0
      given = 0
      for (const track of found.getTracks()) track.addEventListener('ended', lose)
      video.srcObject = found
      follow(found)
      watch()
      await video.play()
    } catch (error) {
      if (asked !== asking) return
      stop()
      const denied = error instanceof DOMException && refusals.has(error.name)
      enter(denied ? 'denied' : wasLive ? 'lost' : 'none')
      retryIn(denied ? RETRY_DENIED_MS : RETRY_MS)
    } finally {
      clearTimeout(patience)
      if (asked === asking) opening = false
    }
  }

  const lookAround = (): void => {
    if (stream?.getTracks().some(({ readyState }) => readyState === 'ended')) lose()
    void open()
  }
  const obeyPermission = (): void => {
    if (permission?.state !== 'denied') return lookAround()
    stop()
    enter('denied')
    retryIn(RETRY_DENIED_MS)
  }
  // Missing where the page is neither https nor localhost.
  const devices: MediaDevices | undefined = navigator.mediaDevices
  devices?.addEventListener('devicechange', lookAround)
  let permission: PermissionStatus | undefined
  void navigator.permissions
    ?.query({ name: 'camera' as PermissionName })
    .then((status) => {
      if (closed) return
      permission = status
      status.addEventListener('change', obeyPermission)
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
      devices?.removeEventListener('devicechange', lookAround)
      permission?.removeEventListener('change', obeyPermission)
      for (const { reject } of waiting) reject(new CameraClosed('the camera was closed'))
      waiting = []
    },
  }
}

/**
 * [Note: No picture is left in the browser's cache] createImageBitmap(video), and drawing a video on a canvas, decode each
 * picture through a cache of the renderer's that is emptied only when it is full: 1.2 MB a frame of 640 x 480 in shared
 * memory, up to 450 MB, which no garbage collector gives back. VideoFrame.copyTo writes the same bytes into memory of ours
 * (compared: not one differs) and leaves nothing behind; with the copy to a bitmap it takes 5 ms instead of 7 to 8
 * (1280 x 720). Chromium 156, no GPU.
 */
function openCopier(video: HTMLVideoElement): () => Promise<{ frame: ImageBitmap; pixels: ImageData | undefined }> {
  let memory = new Uint8ClampedArray()
  let converts = typeof VideoFrame === 'function'

  async function copyPixels(): Promise<ImageData | undefined> {
    const picture = new VideoFrame(video)
    const { displayWidth: width, displayHeight: height } = picture
    if (memory.length !== 4 * width * height) memory = new Uint8ClampedArray(4 * width * height)
    try {
      await picture.copyTo(memory, { format: 'RGBA' })
      return new ImageData(memory, width, height)
    } catch (error) {
      // Before Chromium 127 copyTo does not convert colours.
      if (!(error instanceof DOMException && error.name === 'NotSupportedError') && !(error instanceof TypeError)) throw error
      converts = false
      return undefined
    } finally {
      picture.close()
    }
  }

  return async () => {
    const pixels = converts ? await copyPixels() : undefined
    return { frame: await createImageBitmap(pixels ?? video), pixels }
  }
}
