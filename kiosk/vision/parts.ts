/** The files that vision loads from our own origin, with their sizes, so that progress is true even where the answer is compressed. */
import detectorLoader from '@mediapipe/tasks-vision/vision_wasm_module_internal.js?url'
import detectorWasm from '@mediapipe/tasks-vision/vision_wasm_module_internal.wasm?url'
import wasmSimd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'
import detectorModel from '../models/made/face-detector.tflite?url'
import meshJson from '../models/made/face-mesh.json?url'
import meshBin from '../models/made/face-mesh.bin?url'
import { EMBEDDING_BIN, EMBEDDING_JSON } from './embedding-files.ts'

/** Names of parts as a person reads them. */
export type Part = 'the face detector' | 'the face mesh' | 'the recognition model' | 'the vision runtime'

export interface PartFile {
  part: Part
  url: string
  /** Uncompressed. */
  bytes: number
}

export const FILES = {
  detectorLoader: { part: 'the vision runtime', url: detectorLoader, bytes: 322_082 },
  detectorWasm: { part: 'the vision runtime', url: detectorWasm, bytes: 11_153_641 },
  wasmSimd: { part: 'the vision runtime', url: wasmSimd, bytes: 424_594 },
  detectorModel: { part: 'the face detector', url: detectorModel, bytes: 683_424 },
  meshJson: { part: 'the face mesh', url: meshJson, bytes: 92_990 },
  meshBin: { part: 'the face mesh', url: meshBin, bytes: 1_477_958 },
  embeddingJson: { part: 'the recognition model', ...EMBEDDING_JSON },
  embeddingBin: { part: 'the recognition model', ...EMBEDDING_BIN },
} as const satisfies Record<string, PartFile>

export type FileName = keyof typeof FILES

/** TensorFlow.js wants an address for each of its three builds; only the one with SIMD and without threads is ever run, and shipped. */
export const WASM_PATHS = {
  'tfjs-backend-wasm.wasm': wasmSimd,
  'tfjs-backend-wasm-simd.wasm': wasmSimd,
  'tfjs-backend-wasm-threaded-simd.wasm': wasmSimd,
}
