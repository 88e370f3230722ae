/** A TensorFlow.js graph model as it lies on disk: topology and weight list in JSON, weights in one binary file. */
export interface GraphNode {
  name: string
  op: string
  input?: string[]
  attr?: Record<string, unknown>
}

export interface WeightSpec {
  name: string
  shape: number[]
  dtype: 'float32' | 'int32'
  /** Stored smaller than dtype says. */
  quantization?: { dtype: 'float16' | 'uint8' | 'uint16' }
}

export interface GraphFile {
  format: string
  signature?: { outputs?: Record<string, unknown> }
  modelTopology: { node: GraphNode[] }
  weightsManifest: { paths: string[]; weights: WeightSpec[] }[]
}

const WIDTH = { float32: 4, int32: 4, float16: 2, uint16: 2, uint8: 1 } as const

export function bytesOf(weight: WeightSpec): number {
  return weight.shape.reduce((product, size) => product * size, 1) * WIDTH[weight.quantization?.dtype ?? weight.dtype]
}

/** The one weight list of the graph; throws where the weights are spread over several files. */
export function weightList(graph: GraphFile): WeightSpec[] {
  const [manifest, ...more] = graph.weightsManifest
  if (!manifest || more.length > 0 || manifest.paths.length !== 1) throw new Error('expected a graph with exactly one weights file')
  return manifest.weights
}

/** The graph as JSON text, its weights in `binFile`. */
export function writeGraph(graph: GraphFile, binFile: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ ...graph, weightsManifest: [{ paths: [binFile], weights: weightList(graph) }] }))
}
