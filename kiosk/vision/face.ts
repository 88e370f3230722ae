/** What vision says of one frame. All coordinates are pixels of the frame, x to the right, y down. */

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** Why a face was not embedded, or a photo refused. The order is the order of the checks. */
export const REASONS = ['no_face', 'two_faces', 'not_a_face', 'cut_off', 'too_small', 'too_dark', 'too_bright', 'looks_away', 'blurred'] as const
export type Reason = (typeof REASONS)[number]

/** Measured on the aligned 112 x 112 crop and the 468 mesh points. */
export interface Quality {
  /** Width of the detected box, pixels of the frame. */
  width: number
  /** Mean luma of the crop, 0 to 255. */
  brightness: number
  /** Variance of the Laplacian of the crop's luma; higher is sharper. */
  sharpness: number
  /** Degrees, 0 = straight into the camera. */
  yaw: number
  pitch: number
  roll: number
  /** The mesh's own belief that this is a face, 0 to 1. */
  presence: number
}

/** One detected face; embedded only if `refused` is undefined. */
export interface Face {
  box: Box
  /** The detector's score, 0 to 1. */
  score: number
  quality: Quality
  refused: Reason | undefined
  /** Unit length, EMBEDDING_LENGTH[model] numbers. */
  embedding: Float32Array | undefined
}

/** Milliseconds spent in each stage of one frame; `frame` is the whole, from the frame's arrival in the worker to its answer. */
export interface StageTimes {
  detect: number
  align: number
  embed: number
  frame: number
}

export interface SeenFrame {
  /** When the frame was taken: the caller's clock, handed through. */
  takenAt: number
  width: number
  height: number
  faces: Face[]
  ms: StageTimes
}
