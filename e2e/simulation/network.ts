/**
 * What lies between a kiosk and the school: it loses, delays, doubles and overtakes, and answers in the school's name.
 * Knows no request's meaning; carries the texts as they are.
 */
import type { Chance } from './chance.ts'
import type { Owner, VirtualTime } from './virtual-time.ts'

export const WEATHERS = ['good', 'slow', 'lossy', 'offline', 'portal', 'proxy'] as const
export type Weather = (typeof WEATHERS)[number]

export interface Asked {
  method: string
  path: string
  headers: Headers
  body: string | undefined
}

export interface Answered {
  status: number
  headers: Headers
  text: string
}

/**
 * What becomes of one request. `late`: it arrives, long after nobody waits for it any more. `cut`: it arrives and its
 * answer does not. `twice`: a proxy sends it again; the second answer is the one that is heard.
 */
const FATES = ['answered', 'lost', 'refused', 'cut', 'late', 'twice', 'torn', 'portal', 'bad_gateway', 'bad_gateway_after'] as const
export type Fate = (typeof FATES)[number]

const FATES_IN: Record<Weather, Partial<Record<Fate, number>>> = {
  good: { answered: 1 },
  slow: { answered: 12, late: 2, twice: 1 },
  lossy: { answered: 6, lost: 2, refused: 2, cut: 4, late: 2, twice: 2, torn: 1 },
  offline: { refused: 3, lost: 1 },
  portal: { portal: 1 },
  proxy: { answered: 2, bad_gateway: 3, bad_gateway_after: 2, twice: 1 },
}

const PORTAL = '<!doctype html><title>Sign in</title><p>Welcome to the school\'s network.'
const BAD_GATEWAY = '<html><h1>502 Bad Gateway</h1></html>'

/** What is late is mostly late by less than this, ms; */
const LATE_MS = 90_000
/** nothing on the way keeps a request longer: proxies and servers give up within minutes. */
const LATEST_MS = 8 * 60_000

export interface NetworkOptions {
  time: VirtualTime
  chance: Chance
  /** Owner of what happens on the way and at the school: it outlives the kiosk's power. */
  school: Owner
  weather: () => Weather
  /** The request is at the school's door; `answer` is told what is answered, undefined where nobody is there. */
  deliver: (asked: Asked, answer: (answered: Answered | undefined) => void) => void
  /** How one request went: by name, never with an id that differs from run to run. */
  tell: (line: string) => void
  /** An answer of the school's own was heard. @param trip ms between asking and hearing */
  onHeard: (asked: Asked, answered: Answered, trip: number) => void
}

/** @returns what fetch is for one life of a kiosk */
export function openNetwork(o: NetworkOptions, kiosk: Owner): (path: string, init: RequestInit) => Promise<Response> {
  const { time, chance, school } = o

  function latency(): number {
    const weather = o.weather()
    if (weather === 'slow') return chance.maybe(0.2) ? chance.int(8_000, 20_000) : chance.int(300, 8_000)
    return chance.maybe(0.1) ? chance.int(200, 2_000) : chance.int(1, 80)
  }

  return (path, init) => {
    const asked: Asked = { method: init.method ?? 'GET', path, headers: new Headers(init.headers), body: typeof init.body === 'string' ? init.body : undefined }
    const fate = chance.weigh<Fate>(FATES_IN[o.weather()])
    const askedAt = time.now
    const said = `${asked.method} ${path.replace(/\?.*/, '')}`
    o.tell(`${said}: ${fate}`)
    return new Promise<Response>((resolve, reject) => {
      let over = false
      init.signal?.addEventListener('abort', () => fail('AbortError'))
      function fail(name: string): void {
        if (over) return
        over = true
        reject(Object.assign(new TypeError(`${said}: no answer`), { name }))
      }
      function hear(answered: Answered, ours: boolean, torn = false): void {
        if (over) return
        over = true
        if (ours && !torn) o.onHeard(asked, answered, time.now - askedAt)
        resolve(asResponse(answered, torn))
      }
      /** What the school answers, once it has been asked; undefined where nobody is there. */
      function arrive(after: number, heard: (answered: Answered | undefined) => void): void {
        time.after(after, school, () => o.deliver(asked, heard))
      }
      function answer(answered: Answered | undefined, torn = false): void {
        if (answered) time.after(latency(), kiosk, () => hear(answered, true, torn))
        else if (chance.maybe(0.5)) time.after(latency(), kiosk, () => fail('TypeError'))
        else time.after(latency(), kiosk, () => hear(html(502, BAD_GATEWAY), false))
      }
      switch (fate) {
        case 'answered':
          return arrive(latency(), answer)
        case 'torn':
          return arrive(latency(), (answered) => answer(answered, true))
        case 'lost':
          return
        case 'refused':
          return void time.after(chance.int(1, 50), kiosk, () => fail('TypeError'))
        case 'cut':
          return arrive(latency(), () => {
            if (chance.maybe(0.7)) time.after(latency(), kiosk, () => fail('TypeError'))
          })
        case 'late':
          return arrive(chance.maybe(0.8) ? chance.int(1_000, LATE_MS) : chance.int(LATE_MS, LATEST_MS), answer)
        case 'twice': {
          const first = latency()
          arrive(first, () => {})
          return arrive(first + chance.int(0, 10_000), answer)
        }
        case 'portal':
          return void time.after(latency(), kiosk, () => hear(html(200, PORTAL), false))
        case 'bad_gateway':
          return void time.after(latency(), kiosk, () => hear(html(502, BAD_GATEWAY), false))
        case 'bad_gateway_after':
          return arrive(latency(), () => void time.after(latency(), kiosk, () => hear(html(502, BAD_GATEWAY), false)))
      }
    })
  }
}

function html(status: number, text: string): Answered {
  return { status, headers: new Headers({ 'content-type': 'text/html' }), text }
}

/** As much of a Response as the app reads. */
function asResponse({ status, headers, text }: Answered, torn: boolean): Response {
  const read = (): Promise<string> => (torn ? Promise.reject(new TypeError('the body broke off')) : Promise.resolve(text))
  return { status, ok: status >= 200 && status < 300, headers, text: read } as unknown as Response
}
