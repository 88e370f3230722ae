/** One request to a server on this machine over kept connections, timed from when it was meant to leave. Knows no route. */
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'

export interface Called {
  /** 0: no answer. */
  status: number
  /** From `planned` to the last byte of the answer, ms. */
  ms: number
  bytes: number
  etag: string | undefined
  /** Of an answer that was asked for. */
  body: string
}

export interface Call {
  method: 'GET' | 'POST'
  path: string
  key: string
  body?: string
  etag?: string | undefined
  /** When it was meant to leave, by performance.now(): what a busy caller delays counts as the server's delay, not as nobody's. Default now. */
  planned?: number
  /** Whether the answer's text is wanted; else it is counted and dropped. */
  keep?: boolean
}

export interface Caller {
  call(call: Call): Promise<Called>
  close(): void
}

const PATIENCE_MS = 30_000

export function openCaller(url: string): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const { hostname, port } = new URL(url)
  return {
    close: () => agent.destroy(),
    call({ method, path, key, body, etag, planned = performance.now(), keep = false }) {
      return new Promise((resolve) => {
        const ended = (status: number, bytes: number, answer?: IncomingMessage, text = ''): void =>
          resolve({ status, ms: performance.now() - planned, bytes, etag: answer?.headers.etag, body: text })
        const headers: Record<string, string> = { authorization: `Bearer ${key}`, accept: 'application/json', 'accept-encoding': keep ? 'identity' : 'gzip' }
        if (body !== undefined) Object.assign(headers, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) })
        if (etag !== undefined) headers['if-none-match'] = etag
        const asked = request({ agent, hostname, port, method, path, headers, timeout: PATIENCE_MS }, (answer) => {
          let bytes = 0
          let text = ''
          if (keep) answer.setEncoding('utf8')
          answer.on('data', (chunk: Buffer | string) => {
            bytes += chunk.length
            if (typeof chunk === 'string') text += chunk
          })
          answer.on('end', () => ended(answer.statusCode ?? 0, bytes, answer, text))
          answer.on('error', () => ended(0, bytes))
        })
        asked.on('timeout', () => asked.destroy())
        asked.on('error', () => ended(0, 0))
        asked.end(body)
      })
    },
  }
}
