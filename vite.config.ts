/** Builds the app (kiosk/) into dist/ and runs the tests. */
import { defineConfig } from 'vitest/config'
import { VitePWA } from 'vite-plugin-pwa'
import { embeddingModel } from './kiosk/models/app-model.ts'

const root = import.meta.dirname
// eslint-disable-next-line node/no-process-env -- the server hands its build the version it will announce
const appVersion = process.env.APP_VERSION ?? 'dev'

/** Agrees with VISION_PATH of kiosk/service-worker.ts. */
const VISION = 'assets/vision'

export default defineConfig({
  root: `${root}/kiosk`,
  publicDir: `${root}/kiosk/public`,
  cacheDir: `${root}/node_modules/.vite`,
  define: { __APP_VERSION__: JSON.stringify(appVersion) },
  build: {
    outDir: `${root}/dist`,
    emptyOutDir: true,
    target: 'chrome120',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
  },
  // All that sees faces is the vision worker's: in a folder of its own, which the service worker keeps on demand.
  worker: { format: 'es', rolldownOptions: { output: { entryFileNames: `${VISION}/[name]-[hash].js`, chunkFileNames: `${VISION}/[name]-[hash].js`, assetFileNames: `${VISION}/[name]-[hash][extname]` } } },
  plugins: [
    // eslint-disable-next-line node/no-process-env -- the server hands its build the model that the school uses
    embeddingModel(process.env.MODEL),
    VitePWA({
      strategies: 'injectManifest',
      srcDir: '.',
      filename: 'service-worker.ts',
      injectRegister: false,
      registerType: 'prompt',
      injectManifest: {
        globPatterns: ['**/*.{html,js,css,svg,png,woff2,json,bin,tflite,wasm,webmanifest}'],
        maximumFileSizeToCacheInBytes: 32 * 1024 * 1024,
      },
      manifest: {
        name: 'FastrackAI',
        short_name: 'FastrackAI',
        description: 'Classroom attendance',
        display: 'fullscreen',
        start_url: '/kiosk',
        background_color: '#0f1720',
        theme_color: '#0f1720',
        icons: [{ src: '/icon.svg', sizes: 'any', type: 'image/svg+xml' }],
      },
    }),
  ],
  test: {
    root,
    // A file waits for its database or its child processes much of the time; the default on two cores is one file at a time.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ['kiosk/**/*.test.ts', 'server/**/*.test.ts', 'db/**/*.test.ts', 'infra/**/*.test.ts'],
          environment: 'node',
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'promises',
          include: ['e2e/**/*.test.ts'],
          environment: 'node',
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
