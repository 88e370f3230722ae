import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { LogEvent } from './log.ts'
import { connectRedis, RedisRefused } from './redis.ts'
import type { QueueRedis } from './redis.ts'
import { noRedis, startThrowawayRedis } from './throwaway-redis.ts'
import type { ThrowawayRedis } from './throwaway-redis.ts'

const opened: { redis?: ThrowawayRedis; connection?: QueueRedis }[] = []
afterEach(async () => {
  for (const { connection, redis } of opened.splice(0)) {
    await connection?.close()
    await redis?.stop()
  }
})

async function start(...args: string[]): Promise<ThrowawayRedis> {
  const redis = await startThrowawayRedis(...args)
  opened.push({ redis })
  return redis
}
async function connect(url: string, events: LogEvent[] = []): Promise<QueueRedis> {
  const connection = await connectRedis(url, (event) => events.push(event))
  opened.unshift({ connection })
  return connection
}
const refusalOf = async (url: string): Promise<string> => {
  const error: unknown = await connect(url).then(() => undefined, (cause: unknown) => cause)
  expect(error).toBeInstanceOf(RedisRefused)
  return (error as Error).message
}

describe.skipIf(noRedis)(`a Redis is refused${noRedis === undefined ? '' : ` (skipped: ${noRedis})`}`, () => {
  it('where it may throw marks away when it is full', async () => {
    const redis = await start('--maxmemory-policy', 'allkeys-lru')
    const message = await refusalOf(redis.url)
    expect(message).toMatch(/REDIS_URL.*maxmemory-policy is allkeys-lru.*set it to noeviction/)
    expect(message).not.toContain('\n')
  })

  it('where it answers before it has written', async () => {
    expect(await refusalOf((await start('--appendfsync', 'everysec')).url)).toMatch(/appendfsync everysec; set appendonly yes and appendfsync always/)
    expect(await refusalOf((await start('--appendonly', 'no')).url)).toMatch(/appendonly no.*set appendonly yes/)
  })

  it('where it forbids CONFIG and INFO tells of a fault; without one it is taken, and said that the rest could not be read', async () => {
    const events: LogEvent[] = []
    const redis = await connect((await start('--rename-command', 'CONFIG', '')).url, events)
    expect(redis.isReady()).toBe(true)
    expect(events).toMatchObject([{ event: 'redis_settings_unread', message: expect.stringContaining('appendfsync') }])
    expect(await refusalOf((await start('--rename-command', 'CONFIG', '', '--maxmemory-policy', 'volatile-ttl')).url)).toContain('volatile-ttl')
    expect(await refusalOf((await start('--rename-command', 'CONFIG', '', '--appendonly', 'no')).url)).toContain('appendonly no')
  })

  it('where the password is wrong, which is never shown', async () => {
    const redis = await start('--requirepass', 'the right one')
    const wrong = redis.url.replace('//', '//:a%2Fwrong%2Fone@')
    const message = await refusalOf(wrong)
    expect(message).toMatch(/refuses the user or the password in REDIS_URL/)
    expect(message).not.toMatch(/wrong(%2F|\/)one/)
    expect(await refusalOf(redis.url)).toMatch(/password in REDIS_URL/)
    expect((await connect(redis.url.replace('//', '//:the%20right%20one@'))).isReady()).toBe(true)
  })

  it('where the address is none', async () => {
    for (const url of ['localhost:6379', 'not an address', 'http://localhost:6379', 'redis://', 'redis://localhost/queue']) expect(await refusalOf(url)).toContain('REDIS_URL')
    expect(await refusalOf('postgres://user:secret@localhost/x')).not.toContain('secret')
  })

  it('where what answers is no Redis', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', () => resolve()))
    expect(await refusalOf(`redis://127.0.0.1:${(other.address() as AddressInfo).port}`)).toContain('no Redis')
    other.close()
  })
})

describe.skipIf(noRedis)('a Redis that is away', () => {
  it('refuses nobody the start, and is used as soon as it is there', async () => {
    const redis = await start()
    await redis.kill()
    const events: LogEvent[] = []
    const connection = await connect(redis.url, events)
    expect(connection.isReady()).toBe(false)
    await expect(connection.client.get('x')).rejects.toThrow()
    await redis.restart()
    await vi.waitFor(() => expect(connection.isReady()).toBe(true), 5_000)
    expect(events.map(({ event }) => event)).toEqual(['redis_away', 'redis_back'])
    expect(await connection.client.get('x')).toBeNull()
  })

  it('is trusted no more where it comes back with other settings', async () => {
    const redis = await start()
    const events: LogEvent[] = []
    const connection = await connect(redis.url, events)
    await redis.restart('--appendfsync', 'no')
    await vi.waitFor(() => expect(events.map(({ event }) => event)).toContain('redis_refused'), 5_000)
    expect(connection.isReady()).toBe(false)
    await redis.restart()
    await vi.waitFor(() => expect(connection.isReady()).toBe(true), 5_000)
  })

  it('makes nobody wait: a command fails at once where it is gone, and soon where it is silent', async () => {
    const redis = await start()
    const connection = await connect(redis.url)
    redis.freeze()
    await expect(connection.client.get('x')).rejects.toThrow(/timed out/)
    redis.thaw()
    await redis.kill()
    await vi.waitFor(() => expect(connection.isReady()).toBe(false), 5_000)
    await expect(connection.client.get('x')).rejects.toThrow()
  })
})
