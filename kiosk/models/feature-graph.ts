/**
 * A graph that does several things -> the one that gives its features, and nothing else; with its
 * convolutions fused. Knows TensorFlow.js graph files, nothing of faces.
 *
 * Cut: only what the wanted node needs stays. What else the network was trained to say is not in the file.
 *
 * Fused: `convolution, [Mul,] Add, Relu, Minimum 6, Maximum 0` (batch normalisation and ReLU6 as separate
 * operations) becomes one convolution with `fused_ops = [BiasAdd, Relu6]`, and the factor of `Mul` goes into the
 * kernel. Kernel and factor are stored as 16-bit floats, so their product is exact in 32 bits: the same network, up to
 * the order in which it adds.
 */
import { bytesOf, weightList } from './graph-file.ts'
import type { GraphFile, GraphNode, WeightSpec } from './graph-file.ts'

interface Weight {
  spec: WeightSpec
  bytes: Uint8Array
}

export interface GraphWithWeights {
  graph: GraphFile
  weights: Uint8Array
}

const base64 = (text: string): string => btoa(text)

function readWeights(graph: GraphFile, weights: Uint8Array): Map<string, Weight> {
  const read = new Map<string, Weight>()
  let offset = 0
  for (const spec of weightList(graph)) {
    const end = offset + bytesOf(spec)
    read.set(spec.name, { spec, bytes: weights.slice(offset, end) })
    offset = end
  }
  if (offset !== weights.length) throw new Error(`the weight list names ${offset} bytes, the file has ${weights.length}`)
  return read
}

/** Nodes in their old order, the weights of those that are left, and a signature of one output. */
function rebuild(graph: GraphFile, nodes: GraphNode[], weights: Map<string, Weight>, output: string): GraphWithWeights {
  const names = new Set(nodes.map(({ name }) => name))
  const left = [...weights.values()].filter(({ spec }) => names.has(spec.name))
  const bytes = new Uint8Array(left.reduce((sum, weight) => sum + weight.bytes.length, 0))
  let offset = 0
  for (const weight of left) {
    bytes.set(weight.bytes, offset)
    offset += weight.bytes.length
  }
  const { outputs, ...signature } = graph.signature ?? {}
  const kept = Object.entries(outputs ?? {}).filter(([name]) => name.replace(/:\d+$/, '') === output)
  return {
    graph: {
      ...graph,
      signature: { ...signature, outputs: Object.fromEntries(kept) },
      modelTopology: { ...graph.modelTopology, node: nodes },
      weightsManifest: [{ paths: graph.weightsManifest[0]?.paths ?? [], weights: left.map(({ spec }) => spec) }],
    },
    weights: bytes,
  }
}

/** Both arguments stay as they were. Throws where the graph has no node `output`. */
export function cutTo(output: string, { graph, weights }: GraphWithWeights): GraphWithWeights {
  const byName = new Map(graph.modelTopology.node.map((node) => [node.name, node]))
  if (!byName.has(output)) throw new Error(`the graph has no node ${output}`)
  const needed = new Set<string>()
  const open = [output]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue
    needed.add(name)
    open.push(...(byName.get(name)?.input ?? []))
  }
  return rebuild(graph, graph.modelTopology.node.filter(({ name }) => needed.has(name)), readWeights(graph, weights), output)
}

const FUSED = new Map([
  ['Conv2D', '_FusedConv2D'],
  ['DepthwiseConv2dNative', 'FusedDepthwiseConv2dNative'],
])

/** A convolution and the operations after it that it can do itself. */
interface Pattern {
  convolution: GraphNode
  kernel: string
  /** Constant with a factor per channel; undefined: there is no Mul. */
  factor: string | undefined
  bias: string
  /** Operations that go; the last one is what others read. */
  replaced: GraphNode[]
}

/** Both arguments stay as they were. Throws where a convolution is not followed by what is described above. */
export function fuseRelu6(output: string, { graph, weights }: GraphWithWeights): GraphWithWeights & { fused: number } {
  const nodes = graph.modelTopology.node
  const constants = readWeights(graph, weights)
  const patterns = nodes.filter(({ op }) => FUSED.has(op)).map((convolution) => findPattern(convolution, nodes, constants))
  const byConvolution = new Map(patterns.map((pattern) => [pattern.convolution.name, pattern]))
  const renamed = new Map(patterns.map(({ convolution, replaced }) => [replaced.at(-1)?.name, convolution.name]))
  const gone = new Set(patterns.flatMap(({ replaced }) => replaced.map(({ name }) => name)))

  for (const { kernel, factor } of patterns) {
    if (factor !== undefined) constants.set(kernel, multiply(weightOf(constants, kernel), weightOf(constants, factor)))
  }
  const kept = nodes
    .filter(({ name }) => !gone.has(name))
    .map((old): GraphNode => {
      const input = old.input?.map((name) => renamed.get(name) ?? name)
      const pattern = byConvolution.get(old.name)
      if (!pattern || !input) return input ? { ...old, input } : old
      return {
        ...old,
        op: FUSED.get(old.op) ?? old.op,
        input: [...input, pattern.bias],
        attr: { ...old.attr, fused_ops: { list: { s: [base64('BiasAdd'), base64('Relu6')] } }, num_args: { i: '1' } },
      }
    })
  const joined = rebuild(graph, kept, constants, output)
  return { ...cutTo(output, joined), fused: patterns.length }
}

function findPattern(convolution: GraphNode, nodes: GraphNode[], constants: Map<string, Weight>): Pattern {
  const kernel = convolution.input?.[1]
  if (kernel === undefined) throw new Error(`${convolution.name} has no kernel`)
  const replaced: GraphNode[] = []
  const nextAfter = (name: string): GraphNode | undefined => {
    const [reader, ...more] = nodes.filter(({ input }) => input?.includes(name))
    return more.length === 0 ? reader : undefined
  }
  /** The only reader of the last node, if it is an `op` with a constant; its constant's name. */
  const take = (op: string): string | undefined => {
    const last = replaced.at(-1) ?? convolution
    const node = nextAfter(last.name)
    if (node?.op !== op) return undefined
    const constant = node.input?.find((name) => name !== last.name)
    if (op !== 'Relu' && (constant === undefined || !constants.has(constant))) throw new Error(`${node.name} has no constant`)
    replaced.push(node)
    return constant ?? ''
  }
  const factor = take('Mul')
  const bias = take('Add')
  const relu = take('Relu')
  const [six, zero] = [take('Minimum'), take('Maximum')]
  if (bias === undefined || relu === undefined || six === undefined || zero === undefined) throw new Error(`${convolution.name} is not followed by a bias and a ReLU6`)
  if (numbersOf(weightOf(constants, six))[0] !== 6 || numbersOf(weightOf(constants, zero))[0] !== 0) throw new Error(`${convolution.name} is cut off elsewhere than at 0 and 6`)
  return { convolution, kernel, factor, bias, replaced }
}

function weightOf(constants: Map<string, Weight>, name: string): Weight {
  const weight = constants.get(name)
  if (!weight) throw new Error(`there is no weight ${name}`)
  return weight
}

function numbersOf({ spec, bytes }: Weight): Float32Array {
  if (spec.quantization?.dtype !== 'float16') throw new Error(`${spec.name} is not stored as 16-bit floats`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => float16(view.getUint16(2 * i, true)))
}

/** IEEE 754 binary16. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** A depthwise kernel (height, width, channels, 1), each channel times its factor, as 32-bit floats. */
function multiply(kernel: Weight, factor: Weight): Weight {
  const [numbers, factors] = [numbersOf(kernel), numbersOf(factor)]
  const [, , channels, multiplier] = kernel.spec.shape
  if (channels !== factors.length || multiplier !== 1) throw new Error(`${kernel.spec.name} does not fit ${factor.spec.name}`)
  const product = numbers.map((value, i) => value * (factors[i % channels] ?? NaN))
  const { name, shape, dtype } = kernel.spec
  return { spec: { name, shape, dtype }, bytes: new Uint8Array(product.buffer) }
}
