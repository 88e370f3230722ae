import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { listen } from './listener.ts'
import type { Fetch, Listener } from './listener.ts'

const PATIENCE = { headersMs: 300, requestMs: 600, silenceMs: 800, checkMs: 50 }
let listener: Listener
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await listener.close(0)
})

async function open(answer: Fetch, patience = PATIENCE): Promise<{ socket: Socket; heard: () => string; gone: Promise<number> }> {
  listener = await listen('127.0.0.1', 0, answer, patience)
  const since = performance.now()
  const socket = connect(listener.port, '127.0.0.1')
  sockets.push(socket)
  let heard = ''
  socket.setEncoding('latin1')
  socket.on('error', () => {})
  socket.on('data', (text: string) => (heard += text))
  const gone = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now() - since)))
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return { socket, heard: () => heard, gone }
}

const readAll: Fetch = async (request) => new Response(`${(await request.text()).length}`)

describe('a slow client', () => {
  it('that sends its headers drop by drop is told so and cut off, and one that says nothing at all, too', async () => {
    const { socket, heard, gone } = await open(readAll)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n')
    const drip = setInterval(() => socket.write('x: y\r\n'), 60)
    const after = await gone
    clearInterval(drip)
    expect(heard()).toMatch(/^HTTP\/1\.1 408 /)
    expect(after).toBeLessThan(5_000)
    await listener.close(0)
    const silent = await open(readAll)
    expect(await silent.gone).toBeLessThan(5_000)
  })

  it('that sends its body drop by drop is cut off, and the handler that waits for it is told', async () => {
    const gaveUp = vi.fn<() => void>()
    const { socket, gone } = await open(async (request) => {
      try {
        return new Response(await request.text())
      } catch {
        gaveUp()
        return new Response(null, { status: 400 })
      }
    })
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n')
    const drip = setInterval(() => socket.write('x'), 60)
    expect(await gone).toBeLessThan(5_000)
    clearInterval(drip)
    await vi.waitFor(() => expect(gaveUp).toHaveBeenCalledTimes(1), { timeout: 5_000 })
  })

  it('that never reads is sent no more than its line takes, and is cut off', async () => {
    const CHUNK = new Uint8Array(65_536)
    let made = 0
    let ended = false
    const endless: Fetch = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            made += 1
            controller.enqueue(CHUNK)
          },
          cancel() {
            ended = true
          },
        }),
      )
    const { socket } = await open(endless)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await sleep(400)
    const first = made
    await sleep(200)
    // What lies in the two machines' own buffers, and nothing of ours behind it.
    expect(made - first).toBeLessThan(3)
    expect(made).toBeLessThan(400)
    await vi.waitFor(() => expect(ended).toBe(true), { timeout: 5_000 })
  })

  it('that is answered in parts now and then is not taken for a silent one', async () => {
    const answer: Fetch = () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            for (let i = 0; i < 8; i++) {
              controller.enqueue(new TextEncoder().encode(': ping\n\n'))
              await sleep(250)
            }
            controller.close()
          },
        }),
      )
    const { socket, heard, gone } = await open(answer)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    expect(await gone).toBeGreaterThan(1_900)
    expect(heard().match(/: ping/g)).toHaveLength(8)
  })
})
