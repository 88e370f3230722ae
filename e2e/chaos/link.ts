/** A TCP link that can be cut: everything between two processes goes through one. Its faults are drawn from a seeded source. Knows no protocol. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Link {
  readonly port: number
  /** Connections cut so far, by `cut` or by roughness. */
  readonly cuts: number
  /** Every connection is cut in the middle of whatever it carries. */
  cut(): void
  /** Until it is told otherwise each new connection is cut after some bytes of its answer, drawn anew; 0: never. */
  rough(meanBytes: number): void
  close(): Promise<void>
}

export async function openLink(targetPort: number, random: () => number): Promise<Link> {
  const open = new Set<Socket>()
  let meanBytes = 0
  let cuts = 0
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    const both = [near, far]
    for (const socket of both) {
      open.add(socket.setNoDelay(true))
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        for (const other of both) other.destroy()
      })
    }
    let left = meanBytes > 0 ? -Math.log(1 - random()) * meanBytes : Number.POSITIVE_INFINITY
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      if (chunk.length < left) {
        left -= chunk.length
        if (!near.write(chunk)) {
          far.pause()
          near.once('drain', () => far.resume())
        }
        return
      }
      // Part of the answer arrives: what was asked has happened, and nobody is told.
      near.write(chunk.subarray(0, Math.floor(left)), () => near.destroy())
      cuts += 1
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts
    },
    cut() {
      cuts += open.size / 2
      for (const socket of open) socket.resetAndDestroy()
    },
    rough(mean) {
      meanBytes = mean
    },
    close() {
      for (const socket of open) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
