/** Pairs this device by a code of the office, from the link or typed at the screen: shows how it goes, and starts the page anew as the room's kiosk. */
import { plainCode, shownCode } from '#contract/pairing'
import type { Store } from '../store/store.ts'
import { Refused, Unreachable } from '../sync/request.ts'
import { tradeCode } from '../sync/trade-code.ts'
import type { PairingStep } from './state.ts'
import { sentence } from './wording.ts'

export interface PairingByCode {
  /** Resolves to whether the device is paired: the page is about to start anew. */
  take(code: string): Promise<boolean>
}

export function openPairing(o: { store: Store; appVersion: string; onStep: (step: PairingStep) => void; onPaired: () => void }): PairingByCode {
  let busy = false
  return {
    async take(typed) {
      if (busy) return false
      const code = plainCode(typed)
      if (code === undefined) {
        o.onStep({ busy: false, problem: 'A code has eight letters and digits, such as 7K3M-QX9A.' })
        return false
      }
      busy = true
      o.onStep({ busy: true, problem: undefined })
      try {
        await tradeCode({ store: o.store, code, appVersion: o.appVersion })
        o.onPaired()
        return true
      } catch (error) {
        o.onStep({ busy: false, problem: problemWords(code, error) })
        return false
      } finally {
        busy = false
      }
    },
  }
}

function problemWords(code: string, error: unknown): string {
  if (error instanceof Refused && error.problem.code === 'not_found') return `${shownCode(code)} does not work: it was used, is older than 15 minutes, or was mistyped. Ask the office for a new one.`
  if (error instanceof Unreachable) return 'The school’s server does not answer. Check the network, then type the code again.'
  return sentence(error)
}
