/** What vision says of one frame. All coordinates are pixels of the frame, x to the right, y down. */
import type { Covered } from './covered.ts'
import type { SceneCues } from './scene-cues.ts'

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** Why a face was not embedded, or a photo refused. The order is the order of the checks. */
export const REASONS = ['no_face', 'two_faces', 'not_a_face', 'cut_off', 'too_small', 'too_dark', 'too_bright', 'looks_away', 'blurred', 'eyes_covered', 'mouth_covered'] as const
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
  /** What is hidden of it by a mask, a hand, dark glasses; absent: nothing that would show. */
  covered?: Covered
}

/** One detected or followed face. */
export interface Face {
  box: Box
  /** The detector's score, 0 to 1; of a followed face, of its last detection. */
  score: number
  /** The same number while this face is in view without doubt; a doubtful continuation is a new number. Never given twice. */
  track: number
  /** undefined for a face that was only followed in this frame (no mesh was run). */
  quality: Quality | undefined
  refused: Reason | undefined
  /**
   * Unit length, EMBEDDING_LENGTH[model] numbers. undefined where refused, where only followed, where the
   * track was settled or watched, or where this frame's turn went to other faces.
   */
  embedding: Float32Array | undefined
  /** The embedding is of the crop's mirror image: a track's turns alternate, so that the mean of a track is mirror-averaged. */
  mirrored: boolean
  /** 468 x 3 of the mesh: x, y in pixels of the frame; z in the same unit, smaller is nearer. undefined where only followed. */
  landmarks: Float32Array | undefined
  /** What its pictures of the last moments say about a head or a picture of one; undefined where only followed, and of a photo. */
  cues: SceneCues | undefined
}

/** A face of a photo: looked at by itself, with nothing before and nothing after it. */
export interface FaceOfPhoto extends Face {
  quality: Quality
  /** Of the crop's mirror image; undefined where refused. */
  mirrorEmbedding: Float32Array | undefined
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
  /** What a card in sight says, where one was looked for. */
  card?: string | undefined
}

export interface SeenPhoto extends SeenFrame {
  faces: FaceOfPhoto[]
}

/** What the caller knows of the tracks in view. Those it does not name are undecided: everything is run on them. */
export interface TrackWishes {
  /** Decided: only followed, no mesh and no embedding. */
  settled?: readonly number[]
  /** Mesh, quality, landmarks and cues, but no embedding. */
  watched?: readonly number[]
}
