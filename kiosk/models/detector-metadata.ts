/**
 * Gives a TFLite model the NormalizationOptions metadata that MediaPipe's tasks refuse to run without.
 * Knows the FlatBuffer layout, nothing of faces.
 *
 * FlatBuffer offsets are relative and point forwards, so a new root table can stand before the
 * untouched file and point into it: operator codes, subgraphs and old buffers are where they were,
 * only the buffer vector and the metadata vector are new. The header is padded to 64 bytes, so every
 * tensor keeps its alignment.
 */

const ALIGNMENT = 64
const METADATA_NAME = 'TFLITE_METADATA'

/** Field numbers of `table Model` in TensorFlow's schema.fbs. */
const MODEL = { version: 0, operatorCodes: 1, subgraphs: 2, description: 3, buffers: 4, metadata: 6 } as const

/** What a FlatBuffer holds. `at` is an absolute position in the file that is appended after the header. */
type Node =
  | { kind: 'table'; fields: Map<number, Field> }
  | { kind: 'vector'; items: Node[] }
  | { kind: 'floats'; values: number[] }
  | { kind: 'bytes'; bytes: Uint8Array; align: number }
  | { kind: 'string'; text: string }
  | { kind: 'at'; position: number }

type Field = { kind: 'u8' | 'u32'; value: number } | { kind: 'ref'; node: Node }

const table = (fields: [number, Field][]): Node => ({ kind: 'table', fields: new Map(fields) })
const ref = (node: Node): Field => ({ kind: 'ref', node })
const u8 = (value: number): Field => ({ kind: 'u8', value })
const u32 = (value: number): Field => ({ kind: 'u32', value })

/** Lays nodes out parents first, so that every offset points forwards. */
class Writer {
  private readonly bytes: number[] = []
  private readonly references: { from: number; to: number }[] = []
  private readonly outside: { from: number; position: number }[] = []

  constructor(root: Node, identifier: string) {
    this.reserve(8)
    for (let i = 0; i < 4; i++) this.bytes[4 + i] = identifier.charCodeAt(i)
    this.link(0, root)
    this.pad(ALIGNMENT)
  }

  /** @param follows where the appended file begins; undefined where nothing is appended. */
  finish(follows?: number): Uint8Array {
    const view = new DataView(Uint8Array.from(this.bytes).buffer)
    for (const { from, to } of this.references) view.setUint32(from, to - from, true)
    for (const { from, position } of this.outside) {
      if (follows === undefined) throw new Error('a reference to a file that is not appended')
      view.setUint32(from, follows + position - from, true)
    }
    return new Uint8Array(view.buffer)
  }

  get length(): number {
    return this.bytes.length
  }

  private reserve(count: number): number {
    const at = this.bytes.length
    for (let i = 0; i < count; i++) this.bytes.push(0)
    return at
  }

  private pad(to: number): void {
    while (this.bytes.length % to !== 0) this.bytes.push(0)
  }

  private put(at: number, value: number, size: 1 | 2 | 4): void {
    for (let i = 0; i < size; i++) this.bytes[at + i] = (value >>> (8 * i)) & 0xff
  }

  private link(from: number, node: Node): void {
    if (node.kind === 'at') this.outside.push({ from, position: node.position })
    else this.references.push({ from, to: this.write(node) })
  }

  private write(node: Exclude<Node, { kind: 'at' }>): number {
    switch (node.kind) {
      case 'table':
        return this.writeTable(node.fields)
      case 'vector': {
        this.pad(4)
        const at = this.reserve(4 + 4 * node.items.length)
        this.put(at, node.items.length, 4)
        for (const [i, item] of node.items.entries()) this.link(at + 4 + 4 * i, item)
        return at
      }
      case 'floats': {
        this.pad(4)
        const at = this.reserve(4)
        this.put(at, node.values.length, 4)
        this.bytes.push(...new Uint8Array(Float32Array.from(node.values).buffer))
        return at
      }
      case 'bytes': {
        while ((this.bytes.length + 4) % node.align !== 0) this.bytes.push(0)
        const at = this.reserve(4)
        this.put(at, node.bytes.length, 4)
        this.bytes.push(...node.bytes)
        return at
      }
      case 'string': {
        this.pad(4)
        const bytes = new TextEncoder().encode(node.text)
        const at = this.reserve(4)
        this.put(at, bytes.length, 4)
        this.bytes.push(...bytes, 0)
        return at
      }
    }
  }

  /** A vtable, then the table: 4 bytes back to the vtable, then 4 bytes for each field, small or not. */
  private writeTable(fields: Map<number, Field>): number {
    this.pad(4)
    const slots = Math.max(-1, ...fields.keys()) + 1
    const vtable = this.reserve(4 + 2 * slots)
    this.pad(4)
    const at = this.reserve(4 + 4 * fields.size)
    this.put(vtable, 4 + 2 * slots, 2)
    this.put(vtable + 2, 4 + 4 * fields.size, 2)
    this.put(at, at - vtable, 4)
    let place = 4
    for (const [id, field] of fields) {
      this.put(vtable + 4 + 2 * id, place, 2)
      if (field.kind !== 'ref') this.put(at + place, field.value, field.kind === 'u8' ? 1 : 4)
      else this.link(at + place, field.node)
      place += 4
    }
    return at
  }
}

/** Metadata (metadata_schema.fbs, identifier M001): one RGB image input, normalised as (x - mean) / deviation. */
function imageMetadata(mean: number, deviation: number): Uint8Array {
  const normalisation = table([[0, ref({ kind: 'floats', values: [mean] })], [1, ref({ kind: 'floats', values: [deviation] })]])
  const NORMALIZATION_OPTIONS = 1
  const processUnit = table([[0, u8(NORMALIZATION_OPTIONS)], [1, ref(normalisation)]])
  const RGB = 1
  const IMAGE_PROPERTIES = 2
  const content = table([[0, u8(IMAGE_PROPERTIES)], [1, ref(table([[0, u8(RGB)]]))]])
  const input = table([[3, ref(content)], [4, ref({ kind: 'vector', items: [processUnit] })]])
  const subgraph = table([[2, ref({ kind: 'vector', items: [input] })]])
  return new Writer(table([[3, ref({ kind: 'vector', items: [subgraph] })]]), 'M001').finish()
}

/** Absolute positions of a table's fields; undefined where a field is left out. */
function readTable(view: DataView, position: number): (id: number) => number | undefined {
  const vtable = position - view.getInt32(position, true)
  const size = view.getUint16(vtable, true)
  return (id) => {
    const slot = 4 + 2 * id
    const place = slot < size ? view.getUint16(vtable + slot, true) : 0
    return place === 0 ? undefined : position + place
  }
}

const follow = (view: DataView, position: number): number => position + view.getUint32(position, true)

/** Absolute positions of a vector's tables. */
function readVector(view: DataView, position: number): number[] {
  return Array.from({ length: view.getUint32(position, true) }, (_, i) => follow(view, position + 4 + 4 * i))
}

function readString(view: DataView, position: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + position + 4, view.getUint32(position, true)))
}

/**
 * @param model a TFLite file without TFLITE_METADATA.
 * @returns the same model with NormalizationOptions; the given bytes follow the new header untouched.
 * Throws where the file is not TFLite or has such metadata already.
 */
export function addImageMetadata(model: Uint8Array, { mean, deviation }: { mean: number; deviation: number }): Uint8Array {
  const view = new DataView(model.buffer, model.byteOffset, model.byteLength)
  if (new TextDecoder().decode(model.subarray(4, 8)) !== 'TFL3') throw new Error('not a TFLite model: the identifier TFL3 is missing')
  const field = readTable(view, follow(view, 0))
  const target = (id: number): number => {
    const at = field(id)
    if (at === undefined) throw new Error(`not a complete TFLite model: field ${id} of its root table is missing`)
    return follow(view, at)
  }
  const oldBuffers = readVector(view, target(MODEL.buffers))
  const metadataAt = field(MODEL.metadata)
  const oldMetadata = metadataAt === undefined ? [] : readVector(view, follow(view, metadataAt))
  for (const position of oldMetadata) {
    const name = readTable(view, position)(0)
    if (name !== undefined && readString(view, follow(view, name)) === METADATA_NAME) throw new Error(`this TFLite model has ${METADATA_NAME} already`)
  }
  const inPlace = (position: number): Node => ({ kind: 'at', position })
  const newBuffer = table([[0, ref({ kind: 'bytes', bytes: imageMetadata(mean, deviation), align: 16 })]])
  const metadata = table([[0, ref({ kind: 'string', text: METADATA_NAME })], [1, u32(oldBuffers.length)]])
  const versionAt = field(MODEL.version)
  const fields: [number, Field][] = [
    [MODEL.version, u32(versionAt === undefined ? 0 : view.getUint32(versionAt, true))],
    [MODEL.operatorCodes, ref({ kind: 'at', position: target(MODEL.operatorCodes) })],
    [MODEL.subgraphs, ref({ kind: 'at', position: target(MODEL.subgraphs) })],
    [MODEL.buffers, ref({ kind: 'vector', items: [...oldBuffers.map(inPlace), newBuffer] })],
    [MODEL.metadata, ref({ kind: 'vector', items: [...oldMetadata.map(inPlace), metadata] })],
  ]
  const description = field(MODEL.description)
  if (description !== undefined) fields.push([MODEL.description, ref({ kind: 'at', position: follow(view, description) })])
  const header = new Writer(table(fields), 'TFL3')
  const made = new Uint8Array(header.length + model.length)
  made.set(header.finish(header.length))
  made.set(model, header.length)
  return made
}
