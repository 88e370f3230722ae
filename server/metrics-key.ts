/** The key of /metrics: METRICS_KEY, else made from the school's key; kept in a file of its own, as Prometheus' `credentials_file` wants it. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { SchoolKey } from './school-key.ts'

export function metricsKeyPath(dataDir: string): string {
  return join(resolve(dataDir), 'metrics-key')
}

/** Every server of a school has the same. Readable by its owner alone; whole or not at all. */
export async function ensureMetricsKey(dataDir: string, given: string | undefined, schoolKey: SchoolKey): Promise<string> {
  const key = given ?? schoolKey.derive('metrics').toString('base64url')
  const path = metricsKeyPath(dataDir)
  if ((await readFile(path, 'utf8').catch(() => '')) === key) return key
  const half = `${path}.${process.pid}.half`
  await writeFile(half, key, { mode: 0o600 })
  await rename(half, path)
  return key
}
