import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { clientAddress, networkOf, readProxies } from './client-address.ts'
import type { TrustedProxies } from './client-address.ts'

/** The address that is found for a request from this peer. */
async function found(peer: string | undefined, forwarded: string | undefined, proxies?: TrustedProxies): Promise<string> {
  const app = new Hono()
  app.get('/', (c) => c.text(clientAddress(c, proxies)))
  const env = peer === undefined ? {} : { incoming: { socket: { remoteAddress: peer, remoteFamily: peer.includes(':') ? 'IPv6' : 'IPv4' } } }
  return (await app.request('/', { headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }, env)).text()
}

describe('a client’s address', () => {
  it('is the socket’s peer, whatever a header says, where no proxy is trusted', async () => {
    expect(await found('203.0.113.9', '198.51.100.1')).toBe('203.0.113.9')
    expect(await found('::ffff:203.0.113.9', undefined)).toBe('203.0.113.9')
    expect(await found(undefined, undefined)).toBe('in this process')
  })

  it('is read from the right of X-Forwarded-For for as long as the one who wrote it is a proxy of ours', async () => {
    const proxies = readProxies('127.0.0.1, ::1, 10.0.0.0/8')
    expect(await found('127.0.0.1', '198.51.100.1', proxies)).toBe('198.51.100.1')
    expect(await found('127.0.0.1', '6.6.6.6, 198.51.100.1', proxies), 'what the client invents stands to the left').toBe('198.51.100.1')
    expect(await found('127.0.0.1', '6.6.6.6, 198.51.100.1, 10.2.3.4', proxies), 'two proxies').toBe('198.51.100.1')
    expect(await found('203.0.113.9', '198.51.100.1', proxies), 'somebody who is no proxy').toBe('203.0.113.9')
    expect(await found('::ffff:10.0.0.1', '2001:db8::1', proxies)).toBe('2001:db8::1')
    expect(await found('127.0.0.1', '198.51.100.1:4711', proxies)).toBe('198.51.100.1')
    expect(await found('127.0.0.1', '[2001:db8::1]:4711', proxies)).toBe('2001:db8::1')
  })

  it('stays the proxy’s where it says nothing, or nothing that is an address', async () => {
    const proxies = readProxies('127.0.0.1')
    for (const said of [undefined, '', 'unknown', '198.51.100.1, ;drop', ',']) expect(await found('127.0.0.1', said, proxies), String(said)).toBe('127.0.0.1')
  })

  it('of IPv6 counts as the network of 64 bits that one client has', () => {
    expect(networkOf('198.51.100.1')).toBe('198.51.100.1')
    expect(networkOf('2001:DB8:0:1:aaaa::1')).toBe('2001:db8:0:1::/64')
    expect(networkOf('2001:db8:0:1:bbbb:cccc:dddd:eeee')).toBe(networkOf('2001:db8:0:1::7'))
    expect(networkOf('2001:db8::1')).toBe('2001:db8:0:0::/64')
    expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
    expect(networkOf('::1')).toBe('0:0:0:0::/64')
    expect(networkOf('in this process')).toBe('in this process')
  })

  it('is not read with proxies that are none', () => {
    for (const list of ['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '::1/129', '10.0.0.1/8/8', '127.0.0.1,', '300.1.1.1']) expect(readProxies(list), list).toBeUndefined()
  })
})
