/**
 * The API as a product: `GET /openapi.json`, and `GET /docs`, where it can be read and tried. The page is Swagger UI from our own
 * dependency, without a CDN, an inline script or a validator elsewhere.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { AppEnv, AppParts } from '../app-parts.ts'
import { openApiDocument } from '../openapi/document.ts'
import { Refusal } from '../problem.ts'

const HTML = 'text/html; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'
const FROM_SWAGGER: Readonly<Record<string, string>> = { 'swagger-ui-bundle.js': SCRIPT, 'swagger-ui.css': 'text/css; charset=utf-8' }

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FastrackAI API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

const START = `window.ui = window.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#api',
  validatorUrl: null,
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
})
`

interface File {
  body: string | Buffer<ArrayBuffer>
  type: string
  etag: string
}

export function docsRoutes({ appVersion }: Pick<AppParts, 'appVersion'>): Hono<AppEnv> {
  const routes = new Hono<AppEnv>()
  const document = documentOf(appVersion)
  const start = fileOf(START, SCRIPT)
  const read = new Map<string, Promise<File>>()

  /** A million bytes that few ask for: read when somebody does, and kept. */
  function fromSwagger(name: string, type: string): Promise<File> {
    const file = read.get(name) ?? readFile(join(swaggerFolder(), name)).then((body) => fileOf(body, type))
    read.set(name, file)
    file.catch(() => read.delete(name))
    return file
  }

  routes.get('/openapi.json', (c) => answerFile(c, document))
  routes.get('/docs', (c) => c.body(PAGE, 200, { 'content-type': HTML, 'cache-control': 'no-cache' }))
  routes.get('/docs/:file', async (c) => {
    const name = c.req.param('file')
    const type = FROM_SWAGGER[name]
    if (name === 'start.js') return answerFile(c, start)
    if (type === undefined || !Object.hasOwn(FROM_SWAGGER, name)) throw new Refusal('not_found', `there is nothing at ${c.req.path}`)
    return answerFile(c, await fromSwagger(name, type))
  })
  return routes
}

const made = new Map<string, File>()

/** Made once, with a fault of the tables told at the start. */
function documentOf(version: string): File {
  const document = made.get(version) ?? fileOf(JSON.stringify(openApiDocument(version)), 'application/json')
  made.set(version, document)
  return document
}

function answerFile(c: Context, { body, type, etag }: File): Response {
  const headers = { etag, 'cache-control': 'public, no-cache' }
  const held = c.req.header('if-none-match')?.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  if (held?.some((tag) => tag === etag || tag === '*')) return c.body(null, 304, headers)
  return c.body(body, 200, { ...headers, 'content-type': type })
}

function fileOf(body: string | Buffer<ArrayBuffer>, type: string): File {
  return { body, type, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}

/** Wherever it is installed. */
function swaggerFolder(): string {
  return join(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'), '..')
}
