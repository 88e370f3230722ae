/** TensorFlow.js on WebAssembly, the same in the worker and in Node: the backend, and a network from its two files. */
import { env, ready, setBackend, tensor4d } from '@tensorflow/tfjs-core'
import type { Tensor } from '@tensorflow/tfjs-core'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { loadGraphModel } from '@tensorflow/tfjs-converter'
import type { GraphModel } from '@tensorflow/tfjs-converter'

export type Network = GraphModel

/** @param paths a folder's path ending in a slash, or an address for each of the three .wasm files. Throws where WebAssembly does not start or has no SIMD (4.5 times slower without). */
export async function startBackend(paths: Parameters<typeof setWasmPaths>[0]): Promise<void> {
  // Threads: on a cross-origin-isolated page TF.js starts them from the text of one of its functions,
  // which a minified bundle breaks (ReferenceError); two threads gained nothing on two cores.
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
  if (!(await env().getAsync('WASM_HAS_SIMD_SUPPORT'))) throw new Error('WebAssembly SIMD is missing; Chromium has it since version 91')
  setWasmPaths(paths)
  if (!(await setBackend('wasm'))) throw new Error('the WebAssembly backend of TensorFlow.js did not start')
  await ready()
}

interface GraphJson {
  modelTopology: object
  weightsManifest: { weights: never[] }[]
  signature?: object
}

/** @param json the graph as kiosk/models makes it. */
export function loadNetwork(json: unknown, weightData: ArrayBuffer): Promise<Network> {
  const { modelTopology, weightsManifest, signature } = json as GraphJson
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights)
  return loadGraphModel({ load: async () => ({ modelTopology, weightSpecs, weightData, ...(signature && { signature }) }) })
}

/**
 * Runs a network on one square RGB picture.
 * @param crop size x size x 3 numbers.
 * @returns the named outputs, flat. Leaves no tensor behind.
 */
export function run(network: Network, crop: Float32Array, size: number, outputs: string[]): Float32Array[] {
  const input = tensor4d(crop, [1, size, size, 3])
  let tensors: Tensor[] = []
  try {
    const name = network.inputNodes[0] ?? ''
    tensors = [network.execute({ [name]: input }, outputs)].flat()
    return tensors.map((tensor) => tensor.dataSync<'float32'>().slice())
  } finally {
    for (const tensor of tensors) tensor.dispose()
    input.dispose()
  }
}
