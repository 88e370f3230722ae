/** Alerts and the dashboard ask only for what the server tells; promtool, where it is here, says the same of their grammar. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openMetrics } from '../../server/metrics.ts'

const HERE = import.meta.dirname
/** Prometheus' own, and the node exporter's on the Pis. */
const OTHERS = new Set(['up', 'node_thermal_zone_temp'])
/** Functions, operators and labels of PromQL that look like names. */
const WORDS = /\b(?:by|on|and|or|sum|max|min|count|rate|increase|abs|absent|vector|histogram_quantile|le|job|device|room|state|kind|bound|status|outcome|route|instance)\b/

const told = new Set([...openMetrics({ version: 'test', ofProcess: true }).names(), ...OTHERS])

/** Of an expression: every word that is no function, no label and no duration. */
function namesIn(expression: string): string[] {
  const bare = expression.replaceAll(/"[^"]*"/g, '').replaceAll(/\{[^}]*\}/g, '').replaceAll(/\[[^\]]*\]/g, '')
  return [...bare.matchAll(/[a-z_][a-z0-9_:]*/gi)].map(([name]) => name).filter((name) => !new RegExp(`^${WORDS.source}$`).test(name))
}

const base = (name: string): string => (told.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, ''))

test('every metric that an alert names is told', async () => {
  const rules = await readFile(join(HERE, 'alerts.yml'), 'utf8')
  const expressions = [...rules.matchAll(/^ +expr: (.*)$/gm)].map(([, expression]) => expression ?? '')
  expect(expressions).toHaveLength([...rules.matchAll(/- alert:/g)].length)
  for (const expression of expressions) {
    const names = namesIn(expression)
    expect(names.length, expression).toBeGreaterThan(0)
    for (const name of names) expect([...told], expression).toContain(base(name))
  }
  const series = [...(await readFile(join(HERE, 'alerts.test.yml'), 'utf8')).matchAll(/series: '([a-z_]+)/g)].map(([, name]) => name ?? '')
  for (const name of series) expect([...told]).toContain(base(name))
})

test('every metric that the dashboard names is told, and everything that is told of the school is on it', async () => {
  const dashboard = JSON.parse(await readFile(join(HERE, '../grafana/fastrackai.json'), 'utf8')) as { panels: { title: string; targets?: { expr: string }[] }[] }
  const shown = new Set(dashboard.panels.flatMap(({ targets }) => targets ?? []).flatMap(({ expr }) => namesIn(expr)).map(base))
  for (const name of shown) expect([...told]).toContain(name)
  const ofSchool = [...told].filter((name) => /^(?:fastrackai|recognition|attendance|face|api)_/.test(name) && !/build_info|audit_rows/.test(name))
  expect(ofSchool.filter((name) => !shown.has(name))).toEqual([])
})

test('promtool takes the configuration and the rules, and each alert fires when it should and not otherwise', async (context) => {
  if (spawnSync('promtool', ['--version']).error) context.skip('there is no promtool here (Debian\'s package prometheus has it)')
  const folder = await mkdtemp(join(tmpdir(), 'fastrackai-prometheus-'))
  try {
    await writeFile(join(folder, 'metrics-key'), 'x')
    await writeFile(join(folder, 'pis.yml'), await readFile(join(HERE, 'pis.example.yml')))
    await writeFile(join(folder, 'alerts.yml'), await readFile(join(HERE, 'alerts.yml')))
    await writeFile(join(folder, 'prometheus.yml'), (await readFile(join(HERE, 'prometheus.yml'), 'utf8')).replaceAll('/etc/prometheus', folder))
    for (const args of [['check', 'config', join(folder, 'prometheus.yml')], ['check', 'rules', join(HERE, 'alerts.yml')], ['test', 'rules', join(HERE, 'alerts.test.yml')]]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
      expect(status, `${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
      expect(stdout + stderr).not.toMatch(/WARNING|FAILED/)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
