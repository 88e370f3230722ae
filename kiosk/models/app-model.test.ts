import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { build } from 'vite'
import { DEFAULT_MODEL, modelIds } from '#contract/model'
import type { ModelId } from '#contract/model'
import { embeddingModel } from './app-model.ts'
import { makeModels } from './make.ts'

let folder = ''
beforeAll(async () => {
  await makeModels()
  folder = await mkdtemp(join(tmpdir(), 'app-model-'))
  await writeFile(join(folder, 'index.html'), '<!doctype html><script type="module" src="./page.ts"></script>')
  // The app's own model, in the page and in the worker: what is built is what ships.
  await writeFile(join(folder, 'page.ts'), `import { CURRENT_MODEL } from '${join(import.meta.dirname, '../../server/contract/model.ts')}'
console.log('model of the page:', CURRENT_MODEL)
new Worker(new URL('${join(import.meta.dirname, '../vision/worker.ts')}', import.meta.url), { type: 'module' })`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const FILE: Record<ModelId, string> = { 'mobilefacenet-192-r1': 'mobilefacenet', 'faceres-1024-r1': 'faceres' }

async function built(model: string | undefined): Promise<{ files: string[]; code: string }> {
  const outDir = join(folder, `dist-${model ?? 'none'}`)
  await build({ root: folder, configFile: false, logLevel: 'error', worker: { format: 'es' }, plugins: model === undefined ? [] : [embeddingModel(model)], build: { outDir, target: 'chrome120', assetsInlineLimit: 0, minify: false, chunkSizeWarningLimit: 5000 } })
  const files = await readdir(join(outDir, 'assets'))
  const code = await Promise.all(files.filter((name) => name.endsWith('.js')).map((name) => readFile(join(outDir, 'assets', name), 'utf8')))
  return { files, code: code.join('\n') }
}

test.each(modelIds)('an app built for %s holds that model\'s files and no other embedding model\'s', { timeout: 120_000 }, async (model) => {
  const { files, code } = await built(model)
  for (const id of modelIds) {
    const own = files.filter((name) => name.startsWith(`${FILE[id]}-`)).map((name) => name.split('.').at(-1)).sort()
    expect(own, id).toEqual(id === model ? ['bin', 'json'] : [])
  }
  expect(code).toContain(`ModelId.parse("${model}")`)
})

test('without a choice the app holds the default model', { timeout: 120_000 }, async () => {
  const { files } = await built(undefined)
  expect(files.filter((name) => modelIds.some((id) => name.startsWith(`${FILE[id]}-`))).map((name) => name.split('-')[0])).toEqual([FILE[DEFAULT_MODEL], FILE[DEFAULT_MODEL]])
})

test('a model that is none is refused when the build begins', () => {
  expect(() => embeddingModel('faceres')).toThrow(/faceres-1024-r1/)
  expect(() => embeddingModel('')).not.toThrow()
})
