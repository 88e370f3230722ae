/**
 * The port. Taken before the slow work of a start, so that a busy one is told at once; what is answered until the
 * app is there is handed in. Knows no route.
 *
 * [Note: A stop loses no request] A proxy keeps connections open and sends a request on one that we close at that
 * very moment; where it has a body, the proxy cannot send it again. So 1. /readyz says no, and every answer ends
 * its connection, while everything is still answered; 2. when the proxy has had the time to ask /readyz, the port
 * closes, and what is under way is finished. An idle connection stays open longer than a proxy keeps one.
 *
 * [Note: Slow clients] A connection that has not said what it wants within HEADERS_MS, or not all of it within REQUEST_MS, is answered 408 and closed;
 * one on which nothing moves in either direction for SILENCE_MS, because nobody reads what is sent, is closed too. What is sent is made
 * no faster than it is read, so a client that never reads costs one answer's memory, and that not for long. A live line moves every twenty seconds.
 * Connections are counted in all and not by address: a school's thousand kiosks may stand behind one.
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
/** How long a client may take; see [Note: Slow clients]. */
export interface Patience {
  headersMs: number
  requestMs: number
  silenceMs: number
  /** How often it is looked who is over time. */
  checkMs: number
}

/** The longest body takes 134 kbit/s to arrive in time; live lines ping every 20 s. */
const PATIENCE: Patience = { headersMs: 15_000, requestMs: 60_000, silenceMs: 90_000, checkMs: 5_000 }
/** Of a thousand kiosks and all the pages that a school has open, several times. */
const MAX_CONNECTIONS = 10_000

/** @throws PortRefused */
export async function listen(host: string, port: number, untilServed: Fetch, patience: Patience = PATIENCE): Promise<Listener> {
  let current = untilServed
  let last = false
  const answer = getRequestListener((request, env) => current(request, env))
  const options = { headersTimeout: patience.headersMs, requestTimeout: patience.requestMs, connectionsCheckingInterval: patience.checkMs, keepAliveTimeout: KEEP_ALIVE_MS }
  const server = createServer(options, (incoming, outgoing) => {
    if (last) outgoing.setHeader('connection', 'close')
    void answer(incoming, outgoing)
  })
  server.setTimeout(patience.silenceMs)
  server.maxConnections = MAX_CONNECTIONS
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
