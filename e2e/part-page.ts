/**
 * A page that holds one part of the kiosk, built as the app is and served to a real Chromium, for promises
 * about what lies below the screens. Knows no part by name.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { build } from 'vite'

const root = join(import.meta.dirname, '..')

export interface PartPage {
  readonly origin: string
  /** Files by path; tests may change them. */
  readonly files: Map<string, string>
  /** Answers what is no file. */
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void | Promise<void>
  /** Cuts every connection and refuses new ones; `comeBack` listens again on the same port. */
  goAway(): Promise<void>
  comeBack(): Promise<void>
}

/** @param entries name -> path in the project. @returns path -> code, `/<name>.js` and whatever the parts share. */
export async function buildParts(entries: Record<string, string>, define: Record<string, string> = {}): Promise<Map<string, string>> {
  const built = await build({
    root,
    configFile: false,
    publicDir: false,
    logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"', ...define },
    build: {
      write: false,
      target: 'chrome120',
      lib: { entry: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(root, path)])), formats: ['es'] },
      rollupOptions: { output: { entryFileNames: '[name].js', chunkFileNames: 'shared-[hash].js' } },
    },
  })
  const outputs = (Array.isArray(built) ? built : [built]) as { output: { fileName: string; code?: string }[] }[]
  return new Map(outputs.flatMap(({ output }) => output.map((file) => [`/${file.fileName}`, file.code ?? ''])))
}

/** Isolated as the app's own page is, with the parts' exports on `window.kiosk`. */
export function pageOf(names: string[]): string {
  const imports = names.map((name, at) => `import * as part${at} from '/${name}.js'`).join('\n')
  return `<!doctype html><meta charset="utf-8"><title>part</title><script type="module">${imports}
window.kiosk = { ${names.map((_, at) => `...part${at}`).join(', ')} }</script>`
}

export async function servePage(files: Map<string, string>): Promise<PartPage> {
  const sockets = new Set<Socket>()
  let server: Server
  let port = 0
  const page: PartPage = {
    get origin() {
      return `http://localhost:${port}`
    },
    files,
    answer: (_request, _body, response) => void response.writeHead(404).end(),
    async goAway() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async comeBack() {
      server = createServer((request, response) => void serve(request, response))
      server.on('connection', (socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, 'localhost', resolve))
      port = (server.address() as AddressInfo).port
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk)
    const file = files.get(new URL(request.url ?? '/', 'http://localhost').pathname)
    if (file === undefined) return page.answer(request, body, response)
    const path = request.url ?? ''
    response
      .writeHead(200, {
        'content-type': path.includes('.js') ? 'text/javascript' : 'text/html',
        'cache-control': 'no-cache',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      })
      .end(file)
  }

  await page.comeBack()
  return page
}
