/**
 * `npm run models`: the files of the npm packages -> what the app and the encode command load
 * (kiosk/models/made). The same bytes on every machine: inputs are checked before and outputs after,
 * against ledger.ts. Does nothing when the made files are right. Knows files, not pictures.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { addImageMetadata } from './detector-metadata.ts'
import { cutTo, fuseRelu6 } from './feature-graph.ts'
import type { GraphFile } from './graph-file.ts'
import { writeGraph } from './graph-file.ts'
import type { LedgerEntry, LedgerId } from './ledger.ts'
import { LEDGER } from './ledger.ts'
import { repairPrelu } from './prelu-repair.ts'

/** A file that is not what the ledger says; the message is one line with the remedy. */
export class ModelFileRefused extends Error {
  override name = 'ModelFileRefused'
}

const project = join(import.meta.dirname, '..', '..')

export const MADE_DIR = join(import.meta.dirname, 'made')

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** BlazeFace wants its pixels between -1 and 1. */
const DETECTOR_NORMALISATION = { mean: 127.5, deviation: 127.5 }

/** The node before the layers that guess age and gender, which are cut off. */
const FACERES_FEATURES = 'global_pooling/Mean'

const parseGraph = (bytes: Uint8Array): GraphFile => JSON.parse(new TextDecoder().decode(bytes)) as GraphFile

/** Input files -> output files, in the ledger's order. */
const RECIPES: Record<LedgerId, (from: Uint8Array[], entry: LedgerEntry) => Uint8Array[]> = {
  'face-detector': ([model = new Uint8Array()]) => [addImageMetadata(model, DETECTOR_NORMALISATION)],
  'face-mesh': renameGraph,
  'face-detector-node': renameGraph,
  'mobilefacenet-192-r1': ([json = new Uint8Array(), bin = new Uint8Array()], entry) => {
    const { graph, weights } = repairPrelu(parseGraph(json), bin)
    return [writeGraph(graph, entry.made[1]?.file ?? ''), weights]
  },
  'faceres-1024-r1': ([json = new Uint8Array(), bin = new Uint8Array()], entry) => {
    const { graph, weights } = fuseRelu6(FACERES_FEATURES, cutTo(FACERES_FEATURES, { graph: parseGraph(json), weights: bin }))
    return [writeGraph(graph, entry.made[1]?.file ?? ''), weights]
  },
}

function renameGraph([json = new Uint8Array(), bin = new Uint8Array()]: Uint8Array[], entry: LedgerEntry): Uint8Array[] {
  return [writeGraph(parseGraph(json), entry.made[1]?.file ?? ''), bin]
}

async function isMade(entry: LedgerEntry, madeDir: string): Promise<boolean> {
  for (const { file, sha256: expected } of entry.made) {
    const bytes = await readFile(join(madeDir, file)).catch(() => undefined)
    if (!bytes || sha256(bytes) !== expected) return false
  }
  return true
}

async function readSources(entry: LedgerEntry, packagesDir: string): Promise<Uint8Array[]> {
  const { name, version } = entry.npm
  const sources: Uint8Array[] = []
  for (const { file, sha256: expected } of entry.from) {
    const path = join(packagesDir, name, file)
    const bytes = await readFile(path).catch(() => undefined)
    if (!bytes) throw new ModelFileRefused(`${path} is missing: run "npm ci" (it belongs to ${name}@${version})`)
    const found = sha256(bytes)
    if (found !== expected) {
      throw new ModelFileRefused(`${path} is not the file of ${name}@${version} (sha256 ${found}, expected ${expected}): run "npm ci" to restore it`)
    }
    sources.push(bytes)
  }
  return sources
}

/** Written beside and renamed, so that a killed run leaves no half file under the right name. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.${process.pid}.part`
  await writeFile(beside, bytes)
  await rename(beside, path)
}

export interface MakeModels {
  /** Default: the project's node_modules. */
  packagesDir?: string
  madeDir?: string
  log?: (line: string) => void
}

/** @returns the ids of the models that had to be made anew. Throws ModelFileRefused, whose message names the file and the remedy. */
export async function makeModels({ packagesDir = join(project, 'node_modules'), madeDir = MADE_DIR, log = () => undefined }: MakeModels = {}): Promise<LedgerId[]> {
  await mkdir(madeDir, { recursive: true })
  const made: LedgerId[] = []
  for (const entry of LEDGER) {
    if (await isMade(entry, madeDir)) continue
    const outputs = RECIPES[entry.id](await readSources(entry, packagesDir), entry)
    for (const [i, { file, sha256: expected }] of entry.made.entries()) {
      const bytes = outputs[i]
      const found = bytes && sha256(bytes)
      if (!bytes || found !== expected) {
        throw new ModelFileRefused(`${join(madeDir, file)} came out wrong (sha256 ${found}, expected ${expected}): the recipe of ${entry.id} changed without its ledger; restore kiosk/models`)
      }
      await replaceFile(join(madeDir, file), bytes)
    }
    made.push(entry.id)
    log(`model ${entry.id}: made from ${entry.npm.name}@${entry.npm.version}`)
  }
  return made
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const made = await makeModels({ log: (line) => console.log(line) })
    if (made.length === 0) console.log('models: up to date')
  } catch (error) {
    if (!(error instanceof ModelFileRefused)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
