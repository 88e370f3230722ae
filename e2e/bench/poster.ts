/**
 * POSTs over kept connections, one under way on each and the next as soon as it is answered. It writes ready-made bytes and reads of an answer no
 * more than its status and length, so that little of a shared machine goes into asking. Knows no route.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Post {
  headers: Record<string, string>
  body: string
}

export interface Posted {
  /** Of each answer within the time, from the first byte sent to the last received, ms. */
  times: number[]
  /** Answers within the time whose status is not among `good`, and connections that broke. */
  errors: number
}

const HEAD_ENDS = '\r\n\r\n'
const PATIENCE_MS = 30_000

/** Those under way at the end are waited for, and counted nowhere. */
export async function postFor(url: string, o: { connections: number; seconds: number; good: ReadonlySet<number>; next: () => Post }): Promise<Posted> {
  const { hostname, port, host, pathname } = new URL(url)
  const times: number[] = []
  let errors = 0
  let over = false
  const sockets = await Promise.all(Array.from({ length: o.connections }, () => opened(hostname, Number(port))))
  const lanes = sockets.map((socket) => lane(socket))
  await sleep(o.seconds * 1000)
  over = true
  await Promise.race([Promise.all(lanes), sleep(PATIENCE_MS, undefined, { ref: false })])
  for (const socket of sockets) socket.destroy()
  return { times, errors }

  /** Resolves when the time is over and its last POST is answered. */
  function lane(socket: Socket): Promise<void> {
    return new Promise((resolve) => {
      let sentAt = 0
      let got: Buffer = Buffer.alloc(0)
      const send = (): void => {
        const { headers, body } = o.next()
        let head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
        for (const name in headers) head += `${name}: ${headers[name]}\r\n`
        sentAt = performance.now()
        socket.write(`${head}\r\n${body}`)
      }
      socket.on('data', (chunk: Buffer) => {
        got = got.length === 0 ? chunk : Buffer.concat([got, chunk])
        const headEnd = got.indexOf(HEAD_ENDS)
        if (headEnd < 0) return
        const head = got.toString('latin1', 0, headEnd)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
        if (got.length < headEnd + HEAD_ENDS.length + length) return
        got = Buffer.alloc(0)
        if (over) return resolve()
        if (o.good.has(Number(head.slice(9, 12)))) times.push(performance.now() - sentAt)
        else errors += 1
        send()
      })
      socket.on('close', () => {
        if (!over) errors += 1
        resolve()
      })
      send()
    })
  }
}

function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}
