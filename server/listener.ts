/**
 * The port. Taken before the slow work of a start, so that a busy one is told at once; until the app is
 * there, every request is told to come back. Knows no route.
 */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { answerProblem, busy } from './problem.ts'

/** One line for the person who starts the server. */
export class PortRefused extends Error {
  override name = 'PortRefused'
}

export interface Listener {
  /** The port taken, also where any free one was asked for. */
  readonly port: number
  /** From now on these answers. */
  serve(fetch: Fetch): void
  /** Takes no more requests, and resolves when those under way are answered or `patience` milliseconds are over. */
  close(patience: number): Promise<void>
}

type Fetch = (request: Request, env: unknown) => Response | Promise<Response>

const STARTING_RETRY_SECONDS = 2
/** A request that takes longer to arrive is no request. */
const REQUEST_TIMEOUT_MS = 60_000

/** @throws PortRefused */
export async function listen(host: string, port: number): Promise<Listener> {
  let current: Fetch = () => answerProblem(busy('the server is starting; ask again in a moment', STARTING_RETRY_SECONDS))
  const answer = getRequestListener((request, env) => current(request, env))
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (incoming, outgoing) => void answer(incoming, outgoing))
  await bind(server, host, port)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address with a port')
  return {
    port: address.port,
    serve: (fetch) => {
      current = fetch
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
