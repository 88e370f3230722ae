/** One request as bytes on a connection of its own, and what came back, as it came: no client stands between that would mend what is odd. Knows no route. */
import { connect } from 'node:net'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'

export interface Sent {
  method: string
  /** As it stands in the request line. */
  target: string
  headers: readonly (readonly [string, string])[]
  body?: Buffer | undefined
  /** The bytes as they are, in the place of all others: what no HTTP client would send. */
  raw?: Buffer | undefined
}

export interface Answered {
  /** 0: the connection was closed without an answer. */
  status: number
  headers: Readonly<Record<string, string>>
  body: Buffer
  milliseconds: number
  /** What is wrong with the answer as such. */
  fault?: string
}

export function bytesOf({ method, target, headers, body, raw }: Sent): Buffer {
  if (raw) return raw
  const named = new Set(headers.map(([name]) => name.toLowerCase()))
  const more: [string, string][] = [['connection', 'close']]
  if (!named.has('host')) more.unshift(['host', 'localhost'])
  if (body && !named.has('content-length') && !named.has('transfer-encoding')) more.push(['content-length', String(body.length)])
  const lines = [...headers, ...more].map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), body ?? Buffer.alloc(0)])
}

const GIVEN_UP_MS = 100

/** Whether more may be announced than is sent. */
export const mayBreakOff = ({ raw, headers }: Sent): boolean => raw !== undefined || headers.some(([name]) => name === 'content-length' || name === 'transfer-encoding')

export function send(port: number, request: Sent, patienceMs: number): Promise<Answered> {
  return new Promise((resolve) => {
    const began = performance.now()
    const chunks: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1' })
    let over = false
    const end = (fault?: string): void => {
      if (over) return
      over = true
      clearTimeout(timer)
      socket.destroy()
      const answer = readAnswer(Buffer.concat(chunks), request.method === 'HEAD')
      const milliseconds = performance.now() - began
      resolve({ ...answer, milliseconds, ...(fault === undefined ? {} : { fault }) })
    }
    const timer = setTimeout(() => end(`no end after ${patienceMs} ms`), patienceMs)
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      // What has no body ends with its head, whether or not the connection does.
      if (request.method === 'HEAD' && request.raw === undefined && Buffer.concat(chunks).includes('\r\n\r\n')) return end()
      // A live line has no end: its first event is enough.
      const text = chunk.toString('latin1')
      if ((text.includes('text/event-stream') || chunks[0]?.includes('text/event-stream')) && Buffer.concat(chunks).includes('data: ') && /\n\n/.test(text)) end()
    })
    socket.on('end', () => end())
    socket.on('close', () => end())
    // Whoever is answered before they have said all may be cut off: what was told counts.
    socket.on('error', () => end())
    const bytes = bytesOf(request)
    socket.write(bytes)
    // What is incomplete on purpose is given up after a moment; a whole request waits for its answer.
    if (mayBreakOff(request)) setTimeout(() => socket.end(), GIVEN_UP_MS).unref()
  })
}

function readAnswer(bytes: Buffer, isHead: boolean): Omit<Answered, 'milliseconds'> {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return { status: 0, headers: {}, body: bytes, ...(bytes.length > 0 ? { fault: 'an answer without an end of its head' } : {}) }
  const [first = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? -1)
  const rest = bytes.subarray(headEnd + 4)
  if (status === 100) return readAnswer(rest, isHead)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [name = '', ...value] = line.split(':')
    const key = name.toLowerCase()
    headers[key] = key in headers ? `${headers[key]}, ${value.join(':').trim()}` : value.join(':').trim()
  }
  if (isHead || status === 204 || status === 304) return { status, headers, body: Buffer.alloc(0), ...(rest.length > 0 ? { fault: `a body of ${rest.length} bytes where there must be none` } : {}) }
  try {
    const whole = headers['transfer-encoding'] === 'chunked' ? joined(rest, headers['content-type'] === 'text/event-stream') : rest
    const declared = headers['content-length']
    if (declared !== undefined && whole.length < Number(declared)) return { status, headers, body: whole, fault: `${whole.length} bytes of ${declared}` }
    return { status, headers, body: unpacked(declared === undefined ? whole : whole.subarray(0, Number(declared)), headers['content-encoding']) }
  } catch (error) {
    return { status, headers, body: rest, fault: `the body cannot be read: ${String(error)}` }
  }
}

function joined(rest: Buffer, mayBeOpen: boolean): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    const size = line < 0 ? Number.NaN : Number.parseInt(rest.subarray(at, line).toString('latin1'), 16)
    if (size === 0) return Buffer.concat(parts)
    if (Number.isNaN(size) || line + 2 + size > rest.length) {
      if (mayBeOpen) return Buffer.concat(parts)
      throw new Error('a chunk breaks off')
    }
    parts.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 4 + size
  }
}

function unpacked(body: Buffer, encoding: string | undefined): Buffer {
  switch (encoding) {
    case undefined:
    case 'identity':
      return body
    case 'gzip':
      return gunzipSync(body)
    case 'deflate':
      return inflateSync(body)
    case 'br':
      return brotliDecompressSync(body)
    default:
      throw new Error(`an encoding ${encoding}`)
  }
}

/** The same request for a shell; bytes that no shell takes are sent through a pipe. */
export function curlOf(port: number, { method, target, headers, body, raw }: Sent): string {
  const address = `http://127.0.0.1:${port}${target.startsWith('/') ? target : `/ --request-target ${quoted(target)}`}`
  if (raw) return `printf ${quoted(escaped(raw))} | nc -q 10 127.0.0.1 ${port}`
  const parts = ['curl -i --path-as-is -g', ...(method === 'GET' && !body ? [] : [`-X ${method}`]), ...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)]
  if (!body) return `${parts.join(' ')} ${quoted(address)}`
  if (body.length > 2_000) return `${parts.join(' ')} --data-binary <${body.length} bytes, beginning ${quoted(escaped(body.subarray(0, 200)))}> ${quoted(address)}`
  return `printf ${quoted(escaped(body))} | ${parts.join(' ')} --data-binary @- ${quoted(address)}`
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** For printf. */
const escaped = (bytes: Buffer): string => [...bytes].map((byte) => (byte === 37 ? '%%' : byte === 92 ? '\\\\' : byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`)).join('')
