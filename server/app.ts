/**
 * The school's server as one Hono app, made of what it is handed: API under /api/v1, health, the built app.
 * Knows no port, no environment and no process; main.ts does.
 */
import { Hono } from 'hono'
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { methodNotAllowed } from 'hono/method-not-allowed'
import type { AppEnv, AppParts } from './app-parts.ts'
import { limitRequests } from './limits.ts'
import { openMetrics } from './metrics.ts'
import { answerFault, answerProblem, Refusal } from './problem.ts'
import { myAccountRoutes } from './routes/account.ts'
import { accountRoutes } from './routes/accounts.ts'
import { attendanceRoutes } from './routes/attendance.ts'
import { consentRoutes } from './routes/consents.ts'
import { auditRoutes } from './routes/audit.ts'
import { cardRoutes } from './routes/cards.ts'
import { deviceRoutes } from './routes/devices.ts'
import { docsRoutes } from './routes/docs.ts'
import { healthRoutes } from './routes/health.ts'
import { heartbeatRoutes } from './routes/heartbeat.ts'
import { kioskRoutes } from './routes/kiosks.ts'
import { lessonRoutes } from './routes/lessons.ts'
import { markCheckRoutes } from './routes/mark-checks.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { operationsRoutes } from './routes/operations.ts'
import { peopleRoutes } from './routes/people.ts'
import { pinRoutes } from './routes/pins.ts'
import { pairingRoutes } from './routes/pairing.ts'
import { policyRoutes } from './routes/policy.ts'
import { privacyRoutes } from './routes/privacy.ts'
import { recognitionRoutes } from './routes/recognition.ts'
import { reportRoutes } from './routes/reports.ts'
import { roomRoutes } from './routes/rooms.ts'
import { scheduleRoutes } from './routes/schedule.ts'
import { schoolLoginRoutes } from './routes/oidc.ts'
import { sessionRoutes } from './routes/session.ts'
import { setAsideRoutes } from './routes/set-aside.ts'
import { tokenRoutes } from './routes/token.ts'
import { cameOverTls, openSignIns } from './sign-in.ts'
import { staticApp } from './static-app.ts'

/** Five thousand enrolments or five hundred marks fit four times. */
const MAX_BODY_BYTES = 1_000_000
/** What is shorter and says so is not worth a stream: an answer to forty marks fits. */
const COMPRESSED_FROM_BYTES = 4_096

export function createApp(given: AppParts): Hono<AppEnv> {
  const metrics = given.metrics ?? openMetrics({ version: given.appVersion })
  const parts = { ...given, metrics }
  const app = new Hono<AppEnv>()
  app.onError((error, c) => answerFault(error, c, parts.log))
  app.notFound((c) => answerProblem(new Refusal('not_found', `there is nothing at ${c.req.path}`)))

  app.use(endUnreadBody)
  app.use(metrics.timing)
  app.use(securityHeaders)
  // Before methodNotAllowed, whose answer would else inherit the content-encoding of the one that it replaces.
  app.use(compress({ threshold: COMPRESSED_FROM_BYTES, contentTypeFilter: /^(application\/(problem\+)?json|text\/(html|css|javascript))/ }))
  const api = new Hono<AppEnv>()
  app.use(methodNotAllowed({
    app: api,
    onMethodNotAllowed: (c, methods) =>
      answerProblem(new Refusal('method_not_allowed', `${c.req.method} does not work on ${c.req.path}; it takes ${methods.join(', ')}`, { headers: { allow: methods.join(', ') } })),
  }))
  app.use('/api/*', async (c, next) => {
    await next()
    // Names and templates belong in no cache; a route that answers with an ETag says so itself.
    if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store')
  })
  app.use('/api/*', limitRequests(parts))
  app.use('/api/*', limitBody)

  const signIns = openSignIns(parts)
  const routes = [healthRoutes(parts), scheduleRoutes(parts), attendanceRoutes(parts), heartbeatRoutes(parts), lessonRoutes(parts), markCheckRoutes(parts), peopleRoutes(parts), pinRoutes(parts), consentRoutes(parts), privacyRoutes(parts), cardRoutes(parts), policyRoutes(parts), recognitionRoutes(parts), reportRoutes(parts), roomRoutes(parts), kioskRoutes(parts), pairingRoutes(parts), deviceRoutes(parts), operationsRoutes(parts), setAsideRoutes(parts), auditRoutes(parts), metricsRoutes(parts, metrics), sessionRoutes(parts, signIns), tokenRoutes(parts, signIns), myAccountRoutes(parts, signIns), accountRoutes(parts), schoolLoginRoutes(parts, signIns), docsRoutes(parts)]
  for (const ofResource of routes) api.route('/', ofResource)
  app.route('/', api)
  if (parts.appDir !== undefined) app.route('/', staticApp(parts.appDir))
  return app
}

const tooLarge = (): Response => answerProblem(new Refusal('body_too_large', `the body must be at most ${MAX_BODY_BYTES} bytes; send it in parts`))
const limitUndeclaredBody = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge })

/**
 * A declared length is enough: the HTTP parser lets no more through. Counting what arrives makes a web stream of every
 * body, which costs more than all else that is done for ten marks; only a body of undeclared length is counted.
 */
const limitBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  const declared = c.req.header('content-length')
  if (c.req.header('transfer-encoding') === undefined) {
    if (declared !== undefined) return Number(declared) > MAX_BODY_BYTES ? tooLarge() : next()
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
  }
  return limitUndeclaredBody(c, next)
}

/** Who asks for the head alone reads no body: one that is made as it is read (a live line, an export) would wait for its reader for ever, with what it holds open. */
const endUnreadBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  if (c.req.method !== 'HEAD' || !c.res.body) return
  const unread = c.res.body
  c.res = new Response(null, c.res)
  await unread.cancel()
}

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self'",
  "worker-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "media-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const SECURITY_HEADERS: Record<string, string> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), serial=(), hid=(), midi=()',
}

const securityHeaders: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value)
  if (cameOverTls(c)) c.res.headers.set('strict-transport-security', 'max-age=31536000')
}
