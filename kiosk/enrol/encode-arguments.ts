/** What was asked of the encode command: its words -> one of five tasks. Pure; touches no file and no network. */
import { parseArgs } from 'node:util'
import { StudentId } from '#contract/ids'
import { Name } from '#contract/people'

export const USAGE = `Makes templates from photos and gives them to the school's server. Pictures stay here.

  npm run encode -- --batch DIR --consent "..."            every DIR/S001.jpg, S001_2.jpg, S001/*.jpg
  npm run encode -- --student S999 --image photo.jpg --consent "..."
                                                           one student; --image as often as there are photos
  npm run encode -- --verify S999                          what is on record of S999
  npm run encode -- --verify S999 --image other.jpg        does this photo show S999?
  npm run encode -- --list-outdated                        who must be enrolled again, the school's model having changed

  --consent TEXT    what was agreed to, on record with the templates; nothing is stored without it
  --given-by NAME   who agreed (the student, or the guardian)
  --guardian WHO    a guardian agreed, who is this to the student, such as mother; needed where the school says so
  --name "A B"      with --student: adds the student if the school has none of that id
  --different-from ID
                    with --student: their faces say one person (twins), and they are two; as often as needed
  --server URL      default http://localhost:PORT, PORT from the environment or 8000;
                    if nothing answers there, a server is started for the time being
  --key-file FILE   holds the API key; default: API_KEY of the environment, then DATA_DIR/secrets.json

Templates are made with the model that the server is set to (MODEL).
Ends with 0: all stored (or the photo shows the student, or nobody is outdated); 1: something was refused (or somebody is); 2: nothing could be tried.`

/** Nothing could be tried: the message is for the person at the terminal. Ends the command with 2. */
export class CannotTry extends Error {
  override name = 'CannotTry'
}

export interface Consent {
  statement: string
  given_by: string
  giver?: 'guardian'
  /** Of a guardian: to the student. */
  relationship?: string
}

export type Task =
  | { task: 'help' }
  | { task: 'batch'; dir: string; consent: Consent }
  | { task: 'student'; studentId: string; images: string[]; name: { first_name: string; last_name: string } | undefined; differentFrom: string[]; consent: Consent }
  | { task: 'verify'; studentId: string; image: string | undefined }
  | { task: 'list-outdated' }

export interface Arguments {
  task: Task
  server: string | undefined
  keyFile: string | undefined
}

/** Throws CannotTry with every way out that applies. */
export function readArguments(argv: readonly string[]): Arguments {
  const { values } = parse(argv)
  const { batch, student, verify, image = [], consent, 'given-by': givenBy, guardian, name, server, 'key-file': keyFile, 'different-from': different = [] } = values
  const at = { server: server?.replace(/\/+$/, ''), keyFile }
  if (at.server !== undefined && !/^https?:\/\/[^/]/.test(at.server)) throw new CannotTry(`--server must be an address such as http://localhost:8000, not "${server}"`)
  if (values.help || argv.length === 0) return { ...at, task: { task: 'help' } }
  const outdated = values['list-outdated'] ? '' : undefined
  const tasks = [batch, student, verify, outdated].filter((task) => task !== undefined)
  if (tasks.length !== 1) throw new CannotTry('Say one of --batch DIR, --student ID, --verify ID or --list-outdated (see --help).')
  if (outdated !== undefined) return { ...at, task: { task: 'list-outdated' } }

  if (verify !== undefined) {
    if (image.length > 1) throw new CannotTry('--verify takes one --image at a time.')
    return { ...at, task: { task: 'verify', studentId: idOf('--verify', verify), image: image[0] } }
  }
  if (different.length > 0 && student === undefined) throw new CannotTry('--different-from belongs to --student.')
  const agreed = consentOf(consent, givenBy, guardian)
  if (batch !== undefined) {
    if (image.length > 0) throw new CannotTry('--batch takes its photos from the folder; --image belongs to --student.')
    if (name !== undefined) throw new CannotTry('--name belongs to --student; a batch adds no students.')
    return { ...at, task: { task: 'batch', dir: batch, consent: agreed } }
  }
  if (image.length === 0) throw new CannotTry('--student needs at least one photo: add --image photo.jpg')
  return { ...at, task: { task: 'student', studentId: idOf('--student', student ?? ''), images: image, name: nameOf(name), differentFrom: different.map((id) => idOf('--different-from', id)), consent: agreed } }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: false,
      options: {
        batch: { type: 'string' },
        student: { type: 'string' },
        image: { type: 'string', multiple: true },
        verify: { type: 'string' },
        'list-outdated': { type: 'boolean' },
        consent: { type: 'string' },
        'given-by': { type: 'string' },
        guardian: { type: 'string' },
        name: { type: 'string' },
        'different-from': { type: 'string', multiple: true },
        server: { type: 'string' },
        'key-file': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new CannotTry(`${error instanceof Error ? error.message : String(error)}\nSee: npm run encode -- --help`)
  }
}

function consentOf(statement: string | undefined, givenBy: string | undefined, guardian: string | undefined): Consent {
  const words = statement?.trim() ?? ''
  if (words.length < 3) {
    throw new CannotTry('No template without consent: say what was agreed to, such as --consent "Guardian signed the form of 1 September 2026, section 2"')
  }
  const given_by = givenBy?.trim() ?? ''
  if (guardian === undefined) return { statement: words, given_by: given_by || '--consent on the command line' }
  const relationship = guardian.trim()
  if (relationship === '' || given_by === '') throw new CannotTry('--guardian says who the guardian is to the student, such as --guardian mother, and --given-by their name.')
  return { statement: words, given_by, giver: 'guardian', relationship }
}

function idOf(option: string, value: string): string {
  const id = StudentId.safeParse(value)
  if (!id.success) throw new CannotTry(`${option} "${value}": a student id ${id.error.issues[0]?.message ?? 'is wanted'}`)
  return id.data
}

/** The last word is the last name. */
function nameOf(name: string | undefined): { first_name: string; last_name: string } | undefined {
  if (name === undefined) return undefined
  const words = name.trim().split(/\s+/)
  const [first, last] = [Name.safeParse(words.slice(0, -1).join(' ')), Name.safeParse(words.at(-1))]
  if (!first.success || !last.success) throw new CannotTry(`--name "${name}": give the first and the last name, such as --name "Ada Lovelace"`)
  return { first_name: first.data, last_name: last.data }
}
