/** Holds what infra/ says against the programs that will read it. Where one is missing here the test says so and skips. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import { launchChromium } from '../e2e/chromium.ts'
import { findChromium } from '../e2e/installed-chromium.ts'
import { startSchool, type School } from '../e2e/school.ts'
import { startEmbedded } from '../db/embedded.ts'

const INFRA = import.meta.dirname
const ROOT = join(INFRA, '..')
// eslint-disable-next-line node/no-process-env -- programs started here want what we were started with
const surroundings = process.env
const isRoot = process.getuid?.() === 0

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-infra-'))
  await chmod(folder, 0o755)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const where = (program: string) => (surroundings['PATH'] ?? '').split(delimiter).map((at) => join(at, program)).find(isExecutable)

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function needs(context: TestContext, ...programs: string[]): void {
  const missing = programs.filter((program) => !where(program))
  if (missing.length > 0) context.skip(`not installed here: ${missing.join(', ')}`)
}

interface Ended {
  status: number | null
  /** Both streams. */
  said: string
}

function run(program: string, args: string[], o: { env?: Record<string, string>; cwd?: string } = {}): Ended {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', cwd: o.cwd ?? ROOT, env: { ...surroundings, ...o.env }, input: '' })
  return { status, said: `${stdout ?? ''}${stderr ?? ''}${error ? error.message : ''}` }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function eventually<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let i = 0; i < 300; i++) {
    const seen = await look()
    if (seen !== undefined) return seen
    await sleep(100)
  }
  throw new Error(`never came: ${what}`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await gone
}

/** A copy of infra/, to make secrets in without touching the checkout's. */
async function copyOfInfra(name: string): Promise<string> {
  const copy = join(folder, name)
  await cp(INFRA, copy, { recursive: true, filter: (path) => !/\/(secrets|\.env)$/.test(path) })
  return copy
}

describe('the scripts', () => {
  test('have no fault that shellcheck knows', async (context) => {
    needs(context, 'shellcheck')
    const scripts = ['.ci/run', 'infra/make-secrets.sh', 'infra/start-redis.sh', 'infra/start-server.sh', 'infra/pi/setup.sh', 'infra/pi/start-kiosk', 'infra/pi/watch-kiosk']
    expect(run('shellcheck', scripts)).toEqual({ status: 0, said: '' })
  })

  test('make each secret once, long, closed to others, and keep what is there', async () => {
    const copy = await copyOfInfra('secrets-once')
    const secrets = async () => Object.fromEntries(await Promise.all((await readdir(join(copy, 'secrets'))).map(async (name) => [name, await readFile(join(copy, 'secrets', name), 'utf8')])))
    expect(run('sh', [join(copy, 'make-secrets.sh')]).status).toBe(0)
    const made = await secrets()
    expect(Object.keys(made).sort()).toEqual(['api_key', 'office_password', 'postgres_password', 'redis_password', 'school_key'])
    for (const secret of Object.values(made)) expect(secret).toMatch(/^[\w-]{43}$/)
    expect(new Set(Object.values(made)).size).toBe(5)
    await rm(join(copy, 'secrets', 'api_key'))
    expect(run('sh', [join(copy, 'make-secrets.sh')]).status).toBe(0)
    const { api_key, ...kept } = await secrets()
    const { api_key: before, ...others } = made
    expect(kept).toEqual(others)
    expect(api_key).not.toBe(before)
    expect(run('stat', ['-c', '%a', join(copy, 'secrets')]).said.trim()).toBe('700')
  })

  test('that start the server and Redis name the secret that is missing', () => {
    expect(run('sh', [join(INFRA, 'start-server.sh')], { env: { SECRETS_DIR: join(folder, 'nowhere') } })).toEqual({
      status: 1,
      said: `The secret ${join(folder, 'nowhere')}/postgres_password is missing or empty; make it with infra/make-secrets.sh.\n`,
    })
    expect(run('sh', [join(INFRA, 'start-redis.sh')], { env: { REDIS_PASSWORD_FILE: join(folder, 'nowhere') } })).toEqual({
      status: 1,
      said: `Redis needs a password in ${join(folder, 'nowhere')}; make it with infra/make-secrets.sh.\n`,
    })
  })

  test('give the server an address of the database with whatever password the secret holds', async () => {
    const secrets = join(folder, 'odd-secrets')
    await mkdir(secrets)
    for (const name of ['api_key', 'office_password', 'school_key']) await writeFile(join(secrets, name), 'k'.repeat(43))
    await writeFile(join(secrets, 'postgres_password'), 'p@ss/w:rd?#%')
    const app = join(folder, 'odd-app')
    await mkdir(app)
    await writeFile(join(app, 'index.html'), '<!doctype html>')
    await writeFile(join(app, 'version.json'), '{"version": "0", "fingerprint": "none"}')
    // The server names the host and port that it took out of the address, and never the password.
    const nobodyListens = `127.0.0.1:${await freePort()}`
    const env = { SECRETS_DIR: secrets, POSTGRES_HOST: nobodyListens, POSTGRES_USER: 'fastrackai', POSTGRES_DB: 'fastrackai', DATA_DIR: join(folder, 'odd-data'), APP_DIR: app, PORT: '0' }
    const { status, said } = run('sh', [join(INFRA, 'start-server.sh')], { env })
    expect(status).toBe(1)
    expect(said).toContain(`no database answers at ${nobodyListens}`)
    expect(said).not.toContain('w:rd')
  })

  test('run a command beside the server with the server\'s own secrets, and hand the key before over where there is one', async () => {
    const secrets = join(folder, 'command-secrets')
    await mkdir(secrets)
    for (const name of ['postgres_password', 'api_key', 'office_password', 'school_key', 'school_key_before']) await writeFile(join(secrets, name), name[0]!.repeat(43))
    const nobodyListens = `127.0.0.1:${await freePort()}`
    const env = { SECRETS_DIR: secrets, POSTGRES_HOST: nobodyListens, POSTGRES_USER: 'fastrackai', POSTGRES_DB: 'fastrackai', DATA_DIR: join(folder, 'command-data') }
    expect(run('sh', [join(INFRA, 'start-server.sh'), 'templates', '--status'], { env })).toEqual({ status: 1, said: `no database answers at ${nobodyListens}; start it, or correct DATABASE_URL\n` })
    await writeFile(join(secrets, 'school_key_before'), 'too short')
    expect(run('sh', [join(INFRA, 'start-server.sh'), 'templates', '--rewrap'], { env }).said).toMatch(/^SCHOOL_KEY_BEFORE \(9 characters, not shown\) must be the key that SCHOOL_KEY takes the place of/)
  })

  test('give a recorder the queue with whatever password the secret holds, and ask it for no secret of the school', async (context) => {
    needs(context, 'redis-server')
    const [port, secrets] = [await freePort(), join(folder, 'recorder-secrets')]
    await mkdir(secrets)
    await writeFile(join(secrets, 'redis_password'), 'p@ss/w:rd?#%')
    const redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', secrets, '--requirepass', 'p@ss/w:rd?#%', '--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' })
    const embedded = await startEmbedded({ dataDir: join(folder, 'recorder-data'), log: () => {} })
    try {
      await chmod(folder, 0o755)
      const database = new URL(embedded.url)
      await writeFile(join(secrets, 'postgres_password'), decodeURIComponent(database.password))
      const env = { ...surroundings, SECRETS_DIR: secrets, POSTGRES_HOST: database.host, POSTGRES_USER: database.username, POSTGRES_DB: database.pathname.slice(1), REDIS_HOST: `127.0.0.1:${port}`, PORT: '0' }
      const recorder = spawn('sh', [join(INFRA, 'start-server.sh'), 'record'], { cwd: ROOT, env })
      let said = ''
      for (const stream of [recorder.stdout, recorder.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
      await eventually('the recorder', () => (/recorder is ready/.test(said) ? true : recorder.exitCode === null ? undefined : Promise.reject(new Error(said))))
      const health = /health\s+(http:\S+)\/health/.exec(said)?.[1]
      // eslint-disable-next-line no-restricted-globals -- a script's request, not the app's
      expect((await fetch(`${health}/readyz`)).status).toBe(200)
      await ended(recorder)
      expect(said).not.toMatch(/w:rd|WRONGPASS|away/)
    } finally {
      await ended(redis)
      await embedded.stop()
    }
  })
})

interface Service {
  ports?: unknown[]
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  restart?: string
  networks?: Record<string, unknown>
  healthcheck?: unknown
  environment?: Record<string, string>
  secrets?: (string | { source: string })[]
  command?: string[]
  profiles?: string[]
}

describe('compose.yaml', () => {
  /** Compose's own reading of the file; `docker compose` where it is, else the older docker-compose. */
  function config(cwd: string, env: Record<string, string>): Ended {
    const empty = { SCHOOL_HOST: '', TIME_ZONE: '', COMPOSE_PROFILES: '', SERVERS: '', ...env }
    if (run('docker', ['compose', 'version']).status === 0) return run('docker', ['compose', 'config', '--format', 'json'], { cwd, env: empty })
    const read = run('docker-compose', ['config'], { cwd, env: empty })
    return read.status === 0 ? { status: 0, said: execFileSync('python3', ['-c', 'import sys, json, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))'], { input: read.said, encoding: 'utf8' }) } : read
  }
  const needsCompose = (context: TestContext) => {
    if (run('docker', ['compose', 'version']).status !== 0) needs(context, 'docker-compose', 'python3')
  }

  test('publishes Caddy alone, and hardens every service', async (context) => {
    needsCompose(context)
    const copy = await copyOfInfra('compose')
    run('sh', [join(copy, 'make-secrets.sh')])
    const { status, said } = config(copy, { SCHOOL_HOST: 'attendance.school.lan', TIME_ZONE: 'Europe/Stockholm' })
    expect(status, said).toBe(0)
    const { services: all, networks } = JSON.parse(said) as { services: Record<string, Service>; networks: Record<string, { internal?: boolean }> }
    // The older docker-compose prints those too that only a profile starts.
    const services = Object.fromEntries(Object.entries(all).filter(([, { profiles }]) => !profiles))
    expect(Object.keys(services).sort()).toEqual(['caddy', 'postgres', 'redis', 'server'])
    expect(Object.keys(services).filter((name) => services[name]!.ports)).toEqual(['caddy'])
    expect(networks['back']?.internal).toBe(true)
    expect(Object.keys(services['postgres']!.networks ?? {})).toEqual(['back'])
    expect(Object.keys(services['redis']!.networks ?? {})).toEqual(['back'])
    expect(Object.keys(services['caddy']!.networks ?? {})).toEqual(['front'])
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], restart: 'unless-stopped' })
      expect(service.healthcheck).toBeDefined()
      // What is secret comes as a file: an environment shows in `docker inspect`.
      for (const [name, value] of Object.entries(service.environment ?? {})) if (/PASSWORD|KEY|SECRET|DATABASE_URL/.test(name)) expect(value).toMatch(/^\/run\/secrets/)
    }
  })

  test('with several servers knows each of them by name in front, and gives none of them, nor a recorder, more than it needs', async (context) => {
    needsCompose(context)
    const copy = await copyOfInfra('compose-several')
    run('sh', [join(copy, 'make-secrets.sh')])
    // As a person does it: by taking the marks away before the two lines of the example.
    const example = await readFile(join(INFRA, '.env.example'), 'utf8')
    const lines = Object.fromEntries([...example.matchAll(/^# (COMPOSE_PROFILES|SERVERS)=(.+)$/gm)].map(([, name, value]) => [name, value!]))
    const { status, said } = config(copy, { SCHOOL_HOST: 'attendance.school.lan', TIME_ZONE: 'Europe/Stockholm', ...lines })
    expect(status, said).toBe(0)
    const { services } = JSON.parse(said) as { services: Record<string, Service> }
    const ofRole = (role: string): string[] => Object.entries(services).filter(([, { command }]) => command?.at(-1) === role).map(([name]) => name).sort()
    expect([ofRole('serve'), ofRole('record')]).toEqual([['server2', 'server3'], ['recorder']])
    const servers = services['caddy']?.environment?.['SERVERS']?.split(' ')
    expect(servers).toEqual(['server', ...ofRole('serve')].map((name) => `${name}:8000`))
    expect(services['recorder']?.secrets?.map((one) => (typeof one === 'string' ? one : one.source))).toEqual(['postgres_password', 'redis_password'])
    expect(Object.keys(services['recorder']?.networks ?? {})).toEqual(['back'])
    for (const name of ['server', ...ofRole('serve'), ...ofRole('record')]) expect(services[name]).toMatchObject({ read_only: true, cap_drop: ['ALL'], environment: { REDIS_HOST: 'redis', POSTGRES_HOST: 'postgres' } })
  })

  test.each([
    ['SCHOOL_HOST', { TIME_ZONE: 'Europe/Stockholm' }],
    ['TIME_ZONE', { SCHOOL_HOST: 'attendance.school.lan' }],
  ])('refuses to start without %s and says where to set it', async (name, env, context?: unknown) => {
    needsCompose(context as TestContext)
    const { status, said } = config(INFRA, env as Record<string, string>)
    expect(status).not.toBe(0)
    expect(said).toContain(`Set ${name} in infra/.env`)
  })
})

describe('the Dockerfile', () => {
  test('copies only what is there and what .dockerignore lets through', async () => {
    const dockerfile = await readFile(join(INFRA, 'Dockerfile'), 'utf8')
    const allowed = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '))
    expect(copied.length).toBeGreaterThan(5)
    for (const source of copied) {
      expect(existsSync(join(ROOT, source)), source).toBe(true)
      expect(allowed.some((one) => source === one || source.startsWith(`${one}/`)), `${source} is kept out by .dockerignore`).toBe(true)
    }
    for (const secret of ['infra/secrets/api_key', 'infra/.env', 'data/secrets.json', '.git/config']) expect(allowed.some((one) => secret.startsWith(one))).toBe(false)
  })

  test('pins every image to a release, and runs nothing of ours as root', async () => {
    const dockerfile = await readFile(join(INFRA, 'Dockerfile'), 'utf8')
    const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image!).filter((image) => image.includes(':'))
    for (const image of images) expect(image).toMatch(/:\d+\.\d+\.\d+-/)
    const stages = dockerfile.split(/^FROM /m).filter((stage) => /^\S+ AS (server|caddy)$/m.test(stage))
    expect(stages).toHaveLength(2)
    for (const stage of stages) expect(/^USER (node|1000:1000)$/m.test(stage), stage).toBe(true)
  })
})

describe('Redis, started as in its container', () => {
  let redis: ChildProcess | undefined
  afterAll(async () => {
    if (redis) await ended(redis)
  })

  test('keeps every accepted write on the disk, throws nothing away, and asks for the password', async (context) => {
    needs(context, 'redis-server', 'redis-cli')
    const [port, data, secret] = [await freePort(), join(folder, 'redis'), join(folder, 'redis_password')]
    await mkdir(data)
    await writeFile(secret, 'a-password-for-this-test')
    redis = spawn('sh', [join(INFRA, 'start-redis.sh'), '--port', String(port), '--bind', '127.0.0.1', '--dir', data], {
      stdio: 'ignore',
      env: { ...surroundings, REDIS_CONF: join(INFRA, 'redis.conf'), REDIS_PASSWORD_FILE: secret },
    })
    const cli = (args: string[], password: string | undefined) => run('redis-cli', ['-p', String(port), ...args], { env: { REDISCLI_AUTH: password ?? '' } }).said.trim()
    await eventually('PONG', () => (cli(['ping'], 'a-password-for-this-test') === 'PONG' ? true : undefined))
    const asked = ['appendonly', 'appendfsync', 'maxmemory-policy', 'save']
    const values = asked.map((name) => cli(['config', 'get', name], 'a-password-for-this-test').split('\n')[1] ?? '')
    expect(values).toEqual(['yes', 'always', 'noeviction', ''])
    expect(cli(['ping'], undefined)).toContain('NOAUTH')
    // Neither the arguments nor the surroundings of the process tell the password.
    expect(readFileSync(`/proc/${redis.pid}/cmdline`, 'utf8') + readFileSync(`/proc/${redis.pid}/environ`, 'utf8')).not.toContain('a-password-for-this-test')
  })
})

const KEY = 'A'.repeat(43)
const LINK = `https://attendance.school.lan/kiosk#device=pi-lab301&room=LAB-301&key=${KEY}`
const setup = (...args: string[]) => run('bash', [join(INFRA, 'pi', 'setup.sh'), ...args])

describe("the Pi's setup", () => {
  test('lays every file once, and a second run changes nothing', async () => {
    const into = join(folder, 'pi')
    await mkdir(join(into, 'boot/firmware'), { recursive: true })
    await writeFile(join(into, 'boot/firmware/cmdline.txt'), 'console=tty1 root=PARTUUID=x rootwait\n')
    const first = setup('--link', LINK, '--into', into)
    expect(first.status, first.said).toBe(0)
    const files = async () => Object.fromEntries(await Promise.all(run('find', [into, '-type', 'f', '-printf', '%m %P\\n']).said.trim().split('\n').map(async (line) => [line, await readFile(join(into, line.slice(line.indexOf(' ') + 1)), 'utf8')])))
    const laid = await files()
    expect(Object.keys(laid)).toContain('600 etc/fastrackai/kiosk.env')
    expect(laid['644 boot/firmware/cmdline.txt']).toBe('console=tty1 root=PARTUUID=x rootwait consoleblank=0 vt.global_cursor_default=0\n')
    expect(setup('--link', LINK, '--into', into)).toEqual({ status: 0, said: '' })
    expect(await files()).toEqual(laid)
  })

  test.each([
    ['a link without TLS', ['--link', LINK.replace('https', 'http')], '--link must be https://'],
    ['a link with half a key', ['--link', LINK.slice(0, -1)], '--link must be https://'],
    ['a certificate that is none', ['--link', LINK, '--ca', join(INFRA, 'Caddyfile')], 'which holds no certificate'],
    ['a certificate that is not there', ['--link', LINK, '--ca', '/nowhere/root.crt'], 'cannot be read'],
    ['an option without its value', ['--link'], '--link needs a value'],
    ['an option it does not know', ['--lnk', LINK], 'unknown option --lnk'],
  ])('refuses %s, writes nothing and never repeats the key', async (_, args, says) => {
    const into = join(folder, 'refused')
    const { status, said } = setup(...args, ...(args.length > 1 ? ['--into', into] : []))
    expect(status).toBe(1)
    expect(said).toContain(says)
    expect(said).not.toContain('AAAA')
    expect(existsSync(into)).toBe(false)
  })

  test('has units that systemd reads without a complaint', async (context) => {
    needs(context, 'systemd-analyze')
    // The programs they start need not be here; everything else is as on the Pi.
    const units = join(folder, 'units')
    await mkdir(units)
    for (const name of (await readdir(join(INFRA, 'pi'))).filter((one) => /\.(service|timer)$/.test(one))) {
      await writeFile(join(units, name), (await readFile(join(INFRA, 'pi', name), 'utf8')).replace('/usr/bin/cage', '/bin/true'))
    }
    const verified = run('systemd-analyze', ['verify', ...(await readdir(units)).map((name) => join(units, name))])
    const ours = verified.said.split('\n').filter((line) => line.includes('fastrackai'))
    expect({ status: verified.status, ours }).toEqual({ status: 0, ours: [] })
  })
})

describe('Caddy in front of the real server', () => {
  const HOST = 'attendance.school.lan'
  let school: School
  let caddy: ChildProcess | undefined
  let https = 0
  let http = 0
  let root = ''
  beforeAll(async () => {
    if (!where('caddy')) return
    school = await startSchool()
    const home = join(folder, 'caddy')
    await mkdir(home)
    ;[http, https] = [await freePort(), await freePort()]
    caddy = spawn('caddy', ['run', '--config', join(INFRA, 'Caddyfile'), '--adapter', 'caddyfile'], {
      stdio: 'ignore',
      env: {
        ...surroundings, HOME: home, XDG_DATA_HOME: join(home, 'data'), XDG_CONFIG_HOME: join(home, 'config'),
        SCHOOL_HOST: HOST, SERVERS: new URL(school.url).host.replace('localhost', '127.0.0.1'),
        CADDY_HTTP_PORT: String(http), CADDY_HTTPS_PORT: String(https), CADDY_HEALTH_PORT: String(await freePort()),
      },
    })
    root = join(home, 'data', 'caddy', 'pki', 'authorities', 'local', 'root.crt')
    await eventually("Caddy's certificate", async () => ((await get('/health').catch(() => undefined))?.status === 200 ? true : undefined))
  }, 600_000)
  afterAll(async () => {
    if (caddy) await ended(caddy)
    await school?.stop()
  })

  interface Got {
    status: number | undefined
    headers: Record<string, string | string[] | undefined>
    /** What came until the answer ended, or until `enough` of it was there. */
    text: string
  }

  /** By TLS to the name, trusting `ca` alone. */
  function get(path: string, o: { ca?: string; headers?: Record<string, string>; enough?: (text: string) => boolean } = {}): Promise<Got> {
    return new Promise((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port: https, servername: HOST, path, headers: { host: `${HOST}:${https}`, ...o.headers }, ca: o.ca ?? (existsSync(root) ? readFileSync(root) : undefined) }, (answer) => {
        let text = ''
        const done = () => resolve({ status: answer.statusCode, headers: answer.headers, text })
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part
          if (!o.enough?.(text)) return
          done()
          asking.destroy()
        })
        answer.on('end', done)
      })
      asking.on('error', reject).end()
    })
  }

  test('has a configuration that Caddy takes', (context) => {
    needs(context, 'caddy')
    const { status, said } = run('caddy', ['validate', '--config', join(INFRA, 'Caddyfile'), '--adapter', 'caddyfile'], { env: { SCHOOL_HOST: HOST } })
    expect(status, said).toBe(0)
    for (const file of ['Caddyfile', 'proxy.caddy']) expect(run('caddy', ['fmt', '--diff', join(INFRA, file)]).said.split('\n').filter((line) => /^[-+]/.test(line))).toEqual([])
  })

  test('answers by TLS under its own authority, and to nobody who does not trust it', async (context) => {
    needs(context, 'caddy')
    const { status, headers, text } = await get('/health')
    expect([status, JSON.parse(text)]).toEqual([200, { status: 'healthy' }])
    expect(headers['strict-transport-security']).toContain('max-age')
    // A certificate of somebody else's is not enough.
    await expect(get('/health', { ca: '' })).rejects.toThrow(/certificate/)
  })

  test('sends whoever comes without TLS to TLS, under the public name', async (context) => {
    needs(context, 'caddy')
    // eslint-disable-next-line no-restricted-globals -- a script's request, not the app's
    const answer = await fetch(`http://127.0.0.1:${http}/kiosk`, { redirect: 'manual', headers: { host: HOST } })
    expect(answer.status).toBe(308)
  })

  test("passes a register's events on at once, uncompressed", async (context) => {
    needs(context, 'caddy')
    const { held_on, lesson_id } = await school.lessonNow()
    const { headers, text } = await get(`/api/v1/lessons/${held_on}/${lesson_id}/events`, {
      headers: { authorization: `Bearer ${school.apiKey}`, 'accept-encoding': 'gzip, zstd' },
      enough: (soFar) => soFar.includes('event: register'),
    })
    expect(headers['content-type']).toContain('text/event-stream')
    expect(headers['content-encoding']).toBeUndefined()
    expect(text).toContain('event: register')
  })

  /** The real browser with the policy that setup.sh lays, in a file system of its own: other browsers here must not obey it. */
  async function browserWithPolicy(context: TestContext, change: (policy: Record<string, unknown>) => void = () => undefined) {
    needs(context, 'caddy', 'unshare', 'mount')
    if (!isRoot) context.skip('a policy is read from /etc, which only root can put another one over')
    if (!existsSync('/etc/chromium')) context.skip('this Chromium has no /etc/chromium')
    const into = await mkdtemp(join(folder, 'policy-'))
    const link = `https://${HOST}:${https}/kiosk${new URL(school.kioskLink).hash}`
    const laid = setup('--link', link, '--ca', root, '--into', into)
    expect(laid.status, laid.said).toBe(0)
    const file = join(into, 'etc/chromium/policies/managed/fastrackai.json')
    const policy = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
    // With the developer tools off, as on the Pi, no test could look into the browser.
    policy['DeveloperToolsAvailability'] = 1
    change(policy)
    await writeFile(file, JSON.stringify(policy))
    const wrapper = join(into, 'chromium')
    await writeFile(wrapper, `#!/bin/sh\nexec unshare --mount sh -c 'mount --bind "${into}/etc/chromium" /etc/chromium && exec "${await findChromium()}" "$@"' sh "$@"\n`, { mode: 0o755 })
    // A camera, but nobody who says yes to the question for it.
    const browser = await launchChromium({ executablePath: wrapper, args: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1`, '--use-fake-device-for-media-stream'] })
    return { browser, link, page: browser.pages()[0]! }
  }

  const ASK = (kind: 'video' | 'audio') => `navigator.mediaDevices.getUserMedia({ ${kind}: true }).then(() => 'granted', (error) => error.name)`

  test("is trusted by a browser with the kiosk's policy, which gives the school's page the camera without asking and nothing else", { timeout: 120_000 }, async (context) => {
    const { browser, page, link } = await browserWithPolicy(context)
    try {
      await page.goto(link)
      expect(await page.evaluate('isSecureContext')).toBe(true)
      expect(await page.evaluate(ASK('video'))).toBe('granted')
      expect(await page.evaluate(ASK('audio'))).toBe('NotAllowedError')
      // The marks that were not sent yet are never thrown away to make room.
      expect(await page.evaluate('navigator.storage.persist()')).toBe(true)
      for (const elsewhere of [`${school.url}/health`, 'https://example.org/', 'file:///etc/passwd', `view-source:${link}`]) {
        await expect(page.goto(elsewhere), elsewhere).rejects.toThrow('ERR_BLOCKED_BY_ADMINISTRATOR')
      }
    } finally {
      await browser.close()
    }
  })

  test("reads every line of the kiosk's policy without an error", { timeout: 120_000 }, async (context) => {
    const { browser, page } = await browserWithPolicy(context, (policy) => {
      policy['URLAllowlist'] = [...(policy['URLAllowlist'] as string[]), 'chrome://policy']
    })
    try {
      await page.goto('chrome://policy').catch(() => undefined)
      const table = await eventually('the table of policies', async () => {
        // The page is made of shadow trees, which innerText does not enter.
        const text = await page.evaluate<string>('(function read(node) { return [...node.childNodes].map((one) => one.nodeType === 3 ? one.data : read(one.shadowRoot ?? one)).join(" ") })(document.body)').catch(() => '')
        return text.includes('VideoCaptureAllowedUrls') ? text.replace(/\s+/g, ' ') : undefined
      })
      for (const name of Object.keys(JSON.parse(await readFile(join(INFRA, 'pi', 'policy.json'), 'utf8')) as object)) expect(table).toContain(name)
      expect(table).toContain('CACertificates')
      expect(table).not.toMatch(/Mandatory (Error|Unknown policy)/)
    } finally {
      await browser.close()
    }
  })

  test('is refused by a browser without that policy', { timeout: 120_000 }, async (context) => {
    needs(context, 'caddy')
    const browser = await launchChromium({ args: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1`] })
    try {
      await expect(browser.pages()[0]!.goto(`https://${HOST}:${https}/kiosk`)).rejects.toThrow('ERR_CERT_AUTHORITY_INVALID')
    } finally {
      await browser.close()
    }
  })
})
