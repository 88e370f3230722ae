/** How the benches say what they measured: the machine, and the percentiles of a row of times. Knows no bench. */
import { cpus } from 'node:os'

export const machine = (): string => `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}`

export interface Percentiles {
  n: number
  p50: number
  p95: number
  p99: number
  max: number
}

/** Nearest rank; two decimals. All 0 where there is nothing. */
export function percentiles(values: number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0)
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

export const median = (values: number[]): number => percentiles(values).p50

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
