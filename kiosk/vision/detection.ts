/** What every detector says of a face. Coordinates are pixels of the frame. */
import type { Point } from './align.ts'
import type { Box } from './face.ts'

export interface Detection {
  box: Box
  /** 0 to 1. */
  score: number
  /** The person's right and left. */
  rightEye: Point
  leftEye: Point
}

/**
 * Detections less sure than this are not looked at; both detectors use it. Low, because the mesh decides
 * whether it is a face (quality.ts). Of 2,030 photos of LFW the labelled face was missed in 13 at 0.5 and
 * in 8 at 0.4.
 */
export const MIN_SCORE = 0.4

/** Overlap (intersection over union) from which two boxes are the same face. */
export const MIN_OVERLAP = 0.3

/** Pixels of the longer side of the picture that MediaPipe is handed. */
export const DETECTOR_PICTURE = 384

/** Pixels of the side of both detectors' input. */
export const DETECTOR_SIZE = 192

/** Intersection over union, 0 to 1. */
export function overlap(one: Box, other: Box): number {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x)
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y)
  if (width <= 0 || height <= 0) return 0
  return (width * height) / (one.width * one.height + other.width * other.height - width * height)
}
