/**
 * The build's part of "another model is a configuration": a Vite plugin that puts one embedding model's files
 * into the app, and its name into CURRENT_MODEL. Without it an app holds the default model. Knows Vite's
 * configuration, no network.
 */
import { join } from 'node:path'
import type { Plugin } from 'vite'
import { DEFAULT_MODEL, ModelId } from '#contract/model'

const VISION = join(import.meta.dirname, '..', 'vision')

const FILES: Record<ModelId, string> = {
  'mobilefacenet-192-r1': join(VISION, 'embedding-files.ts'),
  'faceres-1024-r1': join(VISION, 'embedding-files.faceres.ts'),
}

/** @param model undefined or empty: the default. Throws where there is no such model. */
export function embeddingModel(model: string | undefined): Plugin {
  const id = ModelId.parse(model?.trim() || DEFAULT_MODEL)
  return {
    name: 'embedding-model',
    // By configuration and not by hooks: a worker's bundle shares the configuration, not the plugins.
    config: () => ({
      define: { __MODEL__: JSON.stringify(id) },
      resolve: { alias: [{ find: /^\.\/embedding-files\.ts$/, replacement: FILES[id] }] },
    }),
  }
}
