/**
 * Whose request it is, as an address: the socket's peer, or, where that is a proxy of ours (TRUSTED_PROXIES), the client
 * that it tells of. Knows no limit and no person.
 *
 * [Note: The last word on an address is a proxy's of ours] Each proxy appends the peer it saw to X-Forwarded-For; all that
 * stands before may be the client's invention. So the header is read from the right, for as long as the address that
 * wrote is one we trust, and the first that we do not trust is the client. What is no address ends the reading.
 */
import { BlockList, isIP } from 'node:net'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context } from 'hono'

/** Addresses and networks of our proxies. */
export type TrustedProxies = BlockList

/** What stands for a client that has no socket: a request made inside this process. */
const NO_SOCKET = 'in this process'
const MAX_HOPS = 20

/** @param list `127.0.0.1, 10.0.0.0/8, fd00::/8`; undefined where one of them is no address and no network */
export function readProxies(list: string): TrustedProxies | undefined {
  const proxies = new BlockList()
  for (const entry of list.split(',').map((part) => part.trim())) {
    const [address = '', bits, ...more] = entry.split('/')
    const version = isIP(address)
    if (version === 0 || more.length > 0) return undefined
    const family = version === 4 ? 'ipv4' : 'ipv6'
    if (bits === undefined) proxies.addAddress(address, family)
    else if (!/^\d{1,3}$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) return undefined
    else proxies.addSubnet(address, Number(bits), family)
  }
  return proxies
}

/** The client's address as text; without proxies that are trusted the socket's peer, whatever headers say. */
export function clientAddress(c: Context, proxies: TrustedProxies | undefined): string {
  const peer = peerOf(c)
  if (proxies === undefined || !trusts(proxies, peer)) return peer
  const said = c.req.header('x-forwarded-for')?.split(',') ?? []
  let client = peer
  for (let hop = 0; hop < MAX_HOPS && trusts(proxies, client); hop++) {
    const before = addressIn(said.pop())
    if (before === undefined) break
    client = before
  }
  return client
}

/** What requests are counted by: an IPv4 address; of IPv6 the network of 64 bits, all of which one client has. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const whole = tail === undefined ? left : [...left, ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'), ...right]
  return `${whole.slice(0, 4).map((part) => (part === '' ? '0' : Number.parseInt(part, 16).toString(16))).join(':')}::/64`
}

function peerOf(c: Context): string {
  try {
    return plain(getConnInfo(c).remote.address ?? NO_SOCKET)
  } catch {
    return NO_SOCKET
  }
}

function trusts(proxies: TrustedProxies, address: string): boolean {
  const version = isIP(address)
  return version !== 0 && proxies.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

/** Some proxies write a port behind the address, and brackets around one of IPv6. */
function addressIn(part: string | undefined): string | undefined {
  const text = part?.trim() ?? ''
  const address = plain(/^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? (/^([\d.]+):\d+$/.exec(text)?.[1] ?? text))
  return isIP(address) === 0 ? undefined : address
}

/** A socket that takes both says IPv4 as ::ffff:192.0.2.1. */
function plain(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
