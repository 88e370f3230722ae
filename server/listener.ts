/**
 * The port. Taken before the slow work of a start, so that a busy one is told at once; what is answered until the
 * app is there is handed in. Knows no route.
 *
 * [Note: A stop loses no request] A proxy keeps connections open and sends a request on one that we close at that
 * very moment; where it has a body, the proxy cannot send it again. So 1. /readyz says no, and every answer ends
 * its connection, while everything is still answered; 2. when the proxy has had the time to ask /readyz, the port
 * closes, and what is under way is finished. An idle connection stays open longer than a proxy keeps one.
 */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'

/** One line for the person who starts the server. */
export class PortRefused extends Error {
  override name = 'PortRefused'
}

export interface Listener {
  /** The port taken, also where any free one was asked for. */
  readonly port: number
  /** From now on these answers. */
  serve(fetch: Fetch): void
  /** Still answers, and ends each connection with its next answer. */
  answerLast(): void
  /** Takes no more requests, and resolves when those under way are answered or `patience` milliseconds are over. */
  close(patience: number): Promise<void>
}

export type Fetch = (request: Request, env: unknown) => Response | Promise<Response>

/** Caddy is told to keep one for 30 seconds; Node's own default of 5 would close it first. */
const KEEP_ALIVE_MS = 65_000
/** A request that takes longer to arrive is no request. */
const REQUEST_TIMEOUT_MS = 60_000

/** @throws PortRefused */
export async function listen(host: string, port: number, untilServed: Fetch): Promise<Listener> {
  let current = untilServed
  let last = false
  const answer = getRequestListener((request, env) => current(request, env))
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS }, (incoming, outgoing) => {
    if (last) outgoing.setHeader('connection', 'close')
    void answer(incoming, outgoing)
  })
  await bind(server, host, port)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address with a port')
  return {
    port: address.port,
    serve: (fetch) => {
      current = fetch
    },
    answerLast: () => {
      last = true
    },
    close: (patience) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), patience)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new PortRefused(whyNot(error, host, port), { cause: error })))
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function whyNot({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `PORT=${port} is in use; if this server is already running, open http://localhost:${port}, else stop the program that uses it or set PORT to another`
    case 'EACCES':
      return `PORT=${port} is not allowed for this user; set PORT to one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `HOST=${host} is not an address of this machine; set HOST to 0.0.0.0 or localhost`
    default:
      return `HOST=${host} PORT=${port} cannot be listened on: ${message}`
  }
}
