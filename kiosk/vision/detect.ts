/**
 * BlazeFace full range on MediaPipe's runtime: finds all faces of a frame, in the browser. Knows
 * MediaPipe and its picture format, nothing of what is done with a face.
 */
import { FaceDetector } from '@mediapipe/tasks-vision'
import type { Detection } from './detection.ts'
import { MIN_OVERLAP, MIN_SCORE } from './detection.ts'

/** MediaPipe's order of the six points of a face. */
const RIGHT_EYE = 0
const LEFT_EYE = 1

export interface Detector {
  /** @param picture the frame or a smaller copy. @param scale frame pixels per pixel of the picture. */
  detect(picture: OffscreenCanvas | ImageBitmap, scale: number): Detection[]
  close(): void
}

export async function openDetector(runtime: { loader: string; wasm: string }, model: Uint8Array): Promise<Detector> {
  const detector = await FaceDetector.createFromOptions(
    { wasmLoaderPath: runtime.loader, wasmBinaryPath: runtime.wasm },
    {
      baseOptions: { modelAssetBuffer: model, delegate: 'CPU' },
      runningMode: 'IMAGE',
      minDetectionConfidence: MIN_SCORE,
      minSuppressionThreshold: MIN_OVERLAP,
    },
  )
  return {
    detect(picture, scale) {
      const { detections } = detector.detect(picture)
      return detections.flatMap(({ boundingBox, categories, keypoints }): Detection[] => {
        const [right, left] = [keypoints[RIGHT_EYE], keypoints[LEFT_EYE]]
        if (!boundingBox || !right || !left) return []
        const point = ({ x, y }: { x: number; y: number }): { x: number; y: number } => ({ x: x * picture.width * scale, y: y * picture.height * scale })
        return [
          {
            score: categories[0]?.score ?? 0,
            box: { x: boundingBox.originX * scale, y: boundingBox.originY * scale, width: boundingBox.width * scale, height: boundingBox.height * scale },
            rightEye: point(right),
            leftEye: point(left),
          },
        ]
      })
    },
    close: () => detector.close(),
  }
}
