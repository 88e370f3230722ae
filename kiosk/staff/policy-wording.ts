/** What each policy means, in words that a parent understands. Pure. */
import type { SchoolPolicy } from '#contract/policy'

export interface PolicyWords {
  name: string
  /** One sentence. */
  summary: string
  /** What is so under it, and what is not. */
  facts: readonly string[]
}

const WORDS: Record<SchoolPolicy, PolicyWords> = {
  default: {
    name: 'Recognise',
    summary: 'A kiosk recognises the students of its lesson as they come in, if they have consented.',
    facts: [
      'The camera is open during lessons. No picture is kept or sent.',
      'A kiosk compares with the students of its own lesson alone, never with the whole school.',
      'Who has not consented uses a PIN, a card or the teacher, and is as present as everybody else.',
    ],
  },
  'verify-only': {
    name: 'Verify only',
    summary: 'A PIN or a card says who somebody is; the face only confirms that it is them.',
    facts: [
      'The camera is closed until somebody has typed their PIN or shown their card, and is closed again after a few seconds.',
      'One face is compared with that one student’s photos. Nobody is ever searched for.',
      'Who has not consented is marked by the PIN or the card alone.',
    ],
  },
  'no-biometrics': {
    name: 'No biometrics',
    summary: 'No face is used anywhere: students are marked by PIN, by card or by their teacher.',
    facts: [
      'No kiosk opens a camera, and nothing that could see a face is loaded.',
      'Everything made of faces is erased when this is chosen: on the server at once, on each kiosk at its next contact.',
      'From then on the database itself refuses such data, whoever writes it.',
    ],
  },
}

export const policyWords = (policy: SchoolPolicy): PolicyWords => WORDS[policy]
