/**
 * The ceiling of an intake over HTTP: the school's app with one more route, which knows who asks, reads `{}` and answers `{}`. A process of
 * its own beside a running school, on that school's database; ends with SIGTERM. For benches alone.
 *
 *   node --import tsx server/bench/empty-post.ts postgres://...    prints the address of the route
 */
import { randomBytes } from 'node:crypto'
import { DEFAULT_MODEL } from '#contract/model'
import { connect } from '../../db/connect.ts'
import { createKeyring } from '../../db/keyring.ts'
import { createApp } from '../app.ts'
import type { AppParts } from '../app-parts.ts'
import { onlyFor } from '../identity.ts'
import { answerJson } from '../json-answer.ts'
import { openKnownDevices } from '../known-devices.ts'
import { listen } from '../listener.ts'
import { whileStarting } from '../routes/health.ts'
import { openSchoolKey } from '../school-key.ts'

const db = await connect(process.argv[2] ?? '')
const parts: AppParts = {
  db,
  intake: { take: () => Promise.reject(new Error('nothing is taken here')), drain: () => Promise.resolve() },
  now: () => new Date(),
  devices: await openKnownDevices(db, () => {}),
  settings: { false_accept_budget: 0.003, score_floor: 0.5, recognition_threshold: 0.65, debounce_seconds: 30, frame_skip: 0, camera_fps: 15 },
  model: DEFAULT_MODEL,
  schoolKey: openSchoolKey(randomBytes(32).toString('base64url')),
  keyring: createKeyring({ now: randomBytes(32) }),
  audit: () => Promise.resolve(),
  apiKey: randomBytes(32).toString('base64url'),
  appVersion: 'bench',
  appDir: undefined,
  secureCookies: false,
  log: () => {},
}
const app = createApp(parts)
app.post('/api/v1/empty', onlyFor(parts, 'device', 'script'), async (c) => answerJson(c, await c.req.json()))
const listener = await listen('127.0.0.1', 0, whileStarting)
listener.serve((request, env) => app.fetch(request, env as Parameters<typeof app.fetch>[1]))
process.stdout.write(`http://127.0.0.1:${listener.port}/api/v1/empty\n`)
