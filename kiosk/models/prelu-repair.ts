/**
 * Repairs the MobileFaceNet graph as its npm package publishes it; there every face gives nearly the
 * same vector (cosine 1.000 between any two people). Knows TensorFlow.js graph files, nothing of faces.
 *
 * PReLU(x) = relu(x) + a * (x - |x|) / 2. The conversion wrote it as `Relu, Abs, Sub, Mul, Add` and
 * broke it twice: a depthwise convolution got the `Relu` fused in, which throws away the negative half
 * that `Abs` and `Sub` still need, and every constant of `Mul` has the wrong sign (it holds -a / 2).
 *
 * Repair: the convolution does bias and PReLU itself (`fused_ops = [BiasAdd, Prelu]`), with the slope
 * `a = -2 * mul` as its weight, and the nodes of the pattern go: 220 operations become 71.
 */
import { bytesOf, weightList } from './graph-file.ts'
import type { GraphFile, GraphNode } from './graph-file.ts'

const CONVOLUTIONS = new Set(['_FusedConv2D', 'FusedDepthwiseConv2dNative'])
const base64 = (text: string): string => btoa(text)

interface Pattern {
  convolution: GraphNode
  /** Name of the constant with -a / 2 per channel. */
  constant: string
  /** Nodes that the fused activation replaces; the last one is what others read. */
  replaced: string[]
  output: string
}

/** All `relu(x) + c * (x - |x|)` whose x is a convolution. Found from the `Abs`, which is used for nothing else. */
function findPatterns(nodes: GraphNode[]): Pattern[] {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const readers = new Map<string, GraphNode[]>()
  for (const node of nodes) for (const input of node.input ?? []) readers.set(input, [...(readers.get(input) ?? []), node])
  const only = (name: string, op: string): GraphNode => {
    const [reader, ...more] = readers.get(name) ?? []
    if (!reader || more.length > 0 || reader.op !== op) throw new Error(`PReLU repair: ${name} should feed one ${op}`)
    return reader
  }
  return nodes
    .filter((node) => node.op === 'Abs')
    .map((abs) => {
      const source = abs.input?.[0] ?? ''
      const convolution = byName.get(source)
      if (!convolution || !CONVOLUTIONS.has(convolution.op)) throw new Error(`PReLU repair: ${abs.name} does not follow a convolution`)
      const sub = only(abs.name, 'Sub')
      const mul = only(sub.name, 'Mul')
      const add = only(mul.name, 'Add')
      const constant = mul.input?.find((name) => name !== sub.name)
      if (!constant || byName.get(constant)?.op !== 'Const') throw new Error(`PReLU repair: ${mul.name} has no constant`)
      const positive = add.input?.find((name) => name !== mul.name)
      const relu = positive === undefined || positive === source ? undefined : byName.get(positive)
      if (relu && (relu.op !== 'Relu' || relu.input?.[0] !== source)) throw new Error(`PReLU repair: ${add.name} adds something else than relu`)
      return { convolution, constant, output: add.name, replaced: [abs.name, sub.name, mul.name, add.name, ...(relu ? [relu.name] : [])] }
    })
}

/** Both arguments stay as they were. Throws where the graph is not built as described above. */
export function repairPrelu(graph: GraphFile, weights: Uint8Array): { graph: GraphFile; weights: Uint8Array; repaired: number } {
  const patterns = findPatterns(graph.modelTopology.node)
  const gone = new Set(patterns.flatMap((pattern) => pattern.replaced))
  const renamed = new Map(patterns.map((pattern) => [pattern.output, pattern.convolution.name]))
  const slopes = new Map(patterns.map((pattern) => [pattern.convolution.name, pattern.constant]))

  const node = graph.modelTopology.node
    .filter(({ name }) => !gone.has(name))
    .map((old): GraphNode => {
      const input = old.input?.map((name) => renamed.get(name) ?? name)
      const slope = slopes.get(old.name)
      if (slope === undefined) return input ? { ...old, input } : old
      return {
        ...old,
        input: [...(input ?? []), slope],
        attr: { ...old.attr, fused_ops: { list: { s: [base64('BiasAdd'), base64('Prelu')] } }, num_args: { i: '2' } },
      }
    })

  // Not slice(): on a Buffer that is the same memory.
  const repaired = new Uint8Array(weights)
  const view = new DataView(repaired.buffer)
  const constants = new Set(slopes.values())
  let offset = 0
  for (const weight of weightList(graph)) {
    const end = offset + bytesOf(weight)
    if (constants.has(weight.name)) {
      for (let at = offset; at < end; at += 4) view.setFloat32(at, -2 * view.getFloat32(at, true), true)
    }
    offset = end
  }
  if (offset !== weights.length) throw new Error(`PReLU repair: the weight list names ${offset} bytes, the file has ${weights.length}`)
  return { graph: { ...graph, modelTopology: { ...graph.modelTopology, node } }, weights: repaired, repaired: patterns.length }
}
