/**
 * `npm run encode`: photos -> templates, in Node and without a browser, by the same alignment and
 * embedding as the kiosk's. Pictures stay on this machine; templates and the consent go to the server.
 * Knows no database: it asks the server as any script does.
 *
 * 1. read the arguments; without consent nothing that stores is begun.
 * 2. find the school's server or start one; ask for its students and the model that it uses.
 * 3. per student: see that the consent will do, look at each photo, name each refused one with its remedy, record the consent, save the templates.
 * 4. say how it ended; 0: all stored, 1: something was refused, 2: nothing could be tried.
 */
import { SingleBar } from 'cli-progress'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import { ModelId, modelIds } from '#contract/model'
import type { Student } from '#contract/people'
import { seesFaces } from '#contract/policy'
import { ModelFileRefused, makeModels } from '../models/make.ts'
import { saveConsent, saveStudent, saveTemplates, student as studentOnRecord, studentsAndModel, verify, type School } from '../sync/office.ts'
import { Refused, Unreachable } from '../sync/request.ts'
import { openNodeVision, type NodeVision } from '../vision/node.ts'
import { chooseFace } from '../vision/photo.ts'
import { remedyOf } from '../vision/remedies.ts'
import { CannotTry, USAGE, readArguments, type Consent, type Task } from './encode-arguments.ts'
import { PhotoUnreadable, readPhoto } from './photo-file.ts'
import { sortPhotos, unknownWords, type NamedPhotos } from './photo-names.ts'
import { openSchool, type Environment, type OpenSchool } from './school-server.ts'
import { SHOTS_MOST, someoneElse, templateOf } from './shots.ts'
import { outdatedStudents } from './standing.ts'

/** A bar from so many photos on, where a person watches; else a line a student. */
const BAR_FROM = 5

/** Results go to stdout, what happens around them to stderr. */
let say = (line: string): unknown => console.log(line)
const note = (line: string): void => console.error(line)

interface Tally {
  templates: number
  students: number
  refused: number
}

async function encode(argv: readonly string[], env: Environment): Promise<number> {
  const args = readArguments(argv)
  const { task } = args
  if (task.task === 'help') {
    say(USAGE)
    return 0
  }
  const work = await checkFiles(task, userFolder(env))
  let opened: OpenSchool | undefined
  const stopEarly = (signal: NodeJS.Signals): void => {
    void Promise.resolve(opened?.close()).finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  }
  process.once('SIGINT', stopEarly).once('SIGTERM', stopEarly)
  try {
    opened = await openSchool({ server: args.server, keyFile: args.keyFile && resolve(userFolder(env), args.keyFile), env, log: note })
    return await work(opened.school)
  } finally {
    await opened?.close()
    process.removeListener('SIGINT', stopEarly).removeListener('SIGTERM', stopEarly)
  }
}

/** Where the person stood: npm runs the command in the project's root. */
const userFolder = (env: Environment): string => (env['npm_lifecycle_event'] === 'encode' && env['INIT_CWD'] ? env['INIT_CWD'] : process.cwd())

/** What is missing on this machine is said before a server is started for nothing. */
async function checkFiles(task: Exclude<Task, { task: 'help' }>, folder: string): Promise<(school: School) => Promise<number>> {
  switch (task.task) {
    case 'batch': {
      const dir = resolve(folder, task.dir)
      const paths = await listFiles(dir)
      return (school) => encodeBatch(school, dir, paths, task.consent)
    }
    case 'student':
      return (school) => encodeStudent(school, { ...task, images: task.images.map((image) => resolve(folder, image)) })
    case 'list-outdated':
      return sayOutdated
    case 'verify': {
      const image = task.image === undefined ? undefined : resolve(folder, task.image)
      return (school) => (image === undefined ? sayRecord(school, task.studentId) : verifyPhoto(school, task.studentId, image))
    }
  }
}

async function listFiles(dir: string): Promise<string[]> {
  const found = await stat(dir).catch(() => undefined)
  if (!found?.isDirectory()) throw new CannotTry(`--batch ${dir}: there is no such folder`)
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'))
}

// ---------- storing ----------

async function encodeBatch(school: School, dir: string, paths: string[], consent: Consent): Promise<number> {
  const { known, model } = await askSchool(school)
  const { students, refused, ignored } = sortPhotos(paths, known)
  for (const { path, why } of refused) say(`refused  ${path}: ${why}`)
  if (ignored.length > 0) note(`left alone, no student's photo: ${ignored.join(', ')}`)
  if (students.length === 0 && refused.length === 0) throw new CannotTry(`--batch ${dir}: no photos in it; name them after the students, such as S001.jpg`)
  return encodeAll(school, model, students, consent, { nameOf: (path) => path, open: (path) => join(dir, path), refusedAlready: refused.length, differentFrom: [] })
}

async function encodeStudent(school: School, task: Extract<Task, { task: 'student' }>): Promise<number> {
  const { studentId, images, name, differentFrom, consent } = task
  const { known, model } = await askSchool(school)
  if (!known.has(studentId)) {
    if (!name) {
      say(`refused  ${studentId}: ${unknownWords(studentId, known)} Or --name "First Last" adds them here.`)
      return 1
    }
    await saveStudent(studentId, name, school)
    say(`added    ${studentId} ${name.first_name} ${name.last_name}: enrol them in a course for a kiosk to know them`)
  }
  return encodeAll(school, model, [{ studentId, paths: images }], consent, { nameOf: (path) => basename(path), open: (path) => path, refusedAlready: 0, differentFrom })
}

/** Refused here, before a photo is looked at, where this command cannot make what the school compares. */
async function askSchool(school: School): Promise<{ known: Set<string>; model: ModelId }> {
  const { students, model, policy } = await studentsAndModel(school)
  if (!seesFaces(policy)) throw new CannotTry('The school\'s policy is no-biometrics: no face is enrolled or compared, and no photo was looked at. Students are marked by PIN, card or teacher; the privacy officer may set another policy.')
  return { known: new Set(students.map(({ student_id }) => student_id)), model: modelOf(model) }
}

function modelOf(name: string): ModelId {
  const model = ModelId.safeParse(name)
  if (model.success) return model.data
  throw new CannotTry(`The school uses model ${name}, which this command cannot load (it knows ${modelIds.join(', ')}): use the command of the server's own version.`)
}

async function encodeAll(
  school: School,
  model: ModelId,
  students: NamedPhotos[],
  consent: Consent,
  o: { nameOf: (path: string) => string; open: (path: string) => string; refusedAlready: number; differentFrom: readonly string[] },
): Promise<number> {
  const tally: Tally = { templates: 0, students: 0, refused: o.refusedAlready }
  const photos = students.reduce((sum, { paths }) => sum + paths.length, 0)
  const vision = await openVision(model)
  const bar = photos >= BAR_FROM && process.stdout.isTTY ? new SingleBar({ format: '{bar} {value}/{total} photos, {eta_formatted} left', hideCursor: true }) : undefined
  bar?.start(photos, 0)
  // A line in the middle of the bar would tear it: what is said meanwhile follows it.
  const held: string[] = []
  const plain = say
  if (bar) say = (line) => held.push(line)
  try {
    for (const { studentId, paths } of students) {
      const good: { path: string; embedding: Float32Array }[] = []
      if (!(await consentWillDo(school, studentId, consent, tally))) continue
      for (const path of paths) {
        const looked = good.length >= SHOTS_MOST ? { refused: `${SHOTS_MOST} good photos of a student are enough. Take this one out.` } : await lookAt(vision, o.open(path))
        bar?.increment()
        const why = 'refused' in looked ? looked.refused : notTheSamePerson(model, looked.embedding, good, o.nameOf)
        if (why === undefined && 'embedding' in looked) good.push({ path, embedding: looked.embedding })
        else {
          tally.refused++
          say(`refused  ${o.nameOf(path)}: ${why}`)
        }
      }
      if (good.length > 0) await store(school, studentId, vision.model, good, consent, tally, o)
      else say(`nothing  ${studentId}: no photo of theirs was good`)
    }
  } finally {
    bar?.stop()
    say = plain
    for (const line of held) say(line)
    vision.close()
  }
  say(`${count(tally.students, 'student')} ready with ${count(tally.templates, 'template')}; ${tally.refused === 0 ? 'nothing refused' : `${tally.refused} refused`}.`)
  return tally.refused === 0 ? 0 : 1
}

/** No photo is looked at where the consent on the command line will not do: the school may want a guardian's. */
async function consentWillDo(school: School, studentId: string, consent: Consent, tally: Tally): Promise<boolean> {
  const { guardian_required } = await studentOnRecord(studentId, school)
  if (!guardian_required || consent.giver === 'guardian') return true
  tally.refused++
  say(`refused  ${studentId}: a guardian must consent for them: --guardian mother --given-by "Name"`)
  return false
}

async function store(
  school: School,
  studentId: string,
  model: ModelId,
  good: { path: string; embedding: Float32Array }[],
  consent: Consent,
  tally: Tally,
  { nameOf, differentFrom }: { nameOf: (path: string) => string; differentFrom: readonly string[] },
): Promise<void> {
  try {
    const before = await studentOnRecord(studentId, school)
    const same = before.consent?.statement === consent.statement && before.consent.given_by === consent.given_by
    if (!same) await saveConsent(studentId, consent, school)
    await saveTemplates(
      studentId,
      good.map(({ embedding }) => templateOf(embedding, model)),
      school,
      differentFrom,
    )
    tally.students++
    tally.templates += good.length
    say(`stored   ${studentId}: ${count(good.length, 'template')} (${good.map(({ path }) => nameOf(path)).join(', ')})`)
  } catch (error) {
    if (!(error instanceof Refused) || error.problem.code === 'unauthorized' || error.problem.code === 'forbidden') throw error
    tally.refused++
    const twins = error.problem.code === 'same_person' ? ' Here: --different-from ID.' : ''
    say(`refused  ${studentId}: ${error.message}${twins}`)
  }
}

function notTheSamePerson(model: ModelId, embedding: Float32Array, good: { path: string; embedding: Float32Array }[], nameOf: (path: string) => string): string | undefined {
  const others = good.map((other) => other.embedding)
  const best = someoneElse(embedding, others, model)
  const [first] = good
  if (best === undefined || first === undefined) return undefined
  return `It does not show the person of ${nameOf(first.path)} (cosine ${best.toFixed(2)}). Take out whichever is not the student's.`
}

async function lookAt(vision: NodeVision, file: string): Promise<{ embedding: Float32Array } | { refused: string }> {
  try {
    const { faces } = await vision.look(await readPhoto(file), { mirror: true })
    const { face, reason } = chooseFace(faces)
    return face ? { embedding: face.embedding } : { refused: remedyOf(reason) }
  } catch (error) {
    if (error instanceof PhotoUnreadable) return { refused: error.message }
    throw error
  }
}

async function openVision(model: ModelId): Promise<NodeVision> {
  await makeModels({ log: note })
  return openNodeVision({ model })
}

// ---------- what is on record ----------

async function onRecord(school: School, studentId: string): Promise<Student | undefined> {
  try {
    return await studentOnRecord(studentId, school)
  } catch (error) {
    if (error instanceof Refused && error.problem.code === 'not_found') return undefined
    throw error
  }
}

async function sayRecord(school: School, studentId: string): Promise<number> {
  const student = await onRecord(school, studentId)
  if (!student) {
    say(`${studentId}: the school has no such student`)
    return 1
  }
  const { consent, templates } = student
  const { model: current } = await studentsAndModel(school)
  const usable = templates.some(({ model }) => model === current)
  say(`${studentId} ${student.first_name} ${student.last_name}`)
  say(consent ? `  consent: "${consent.statement}", given by ${consent.given_by}, ${consent.given_at}` : '  consent: none on record')
  if (templates.length === 0) say('  templates: none; store some with --student or --batch')
  for (const { model, count: held, enrolled_at } of templates) say(`  templates: ${held} of model ${model}, ${enrolled_at}`)
  if (templates.length > 0 && !usable) say(`  the school uses model ${current}: enrol again`)
  return consent && usable ? 0 : 1
}

/** After a change of model: whose templates no kiosk compares any more. */
async function sayOutdated(school: School): Promise<number> {
  const { students, model } = await studentsAndModel(school)
  const outdated = outdatedStudents(students, model)
  for (const { student_id, first_name, last_name, templates } of outdated) {
    say(`outdated ${student_id} ${first_name} ${last_name}: ${templates.map((held) => `${count(held.count, 'template')} of model ${held.model}, ${held.enrolled_at}`).join('; ')}`)
  }
  say(outdated.length === 0 ? `Nobody must be enrolled again: the school uses model ${model}.` : `${count(outdated.length, 'student')} must be enrolled again: the school uses model ${model}.`)
  return outdated.length === 0 ? 0 : 1
}

async function verifyPhoto(school: School, studentId: string, image: string): Promise<number> {
  const student = await onRecord(school, studentId)
  if (!student) {
    say(`${studentId}: the school has no such student`)
    return 1
  }
  const vision = await openVision((await askSchool(school)).model)
  try {
    const looked = await lookAt(vision, image)
    if ('refused' in looked) {
      say(`refused  ${basename(image)}: ${looked.refused}`)
      return 1
    }
    const { similarity, threshold, match } = await verify(studentId, templateOf(looked.embedding, vision.model), school)
    if (similarity === null) {
      say(`${studentId}: no template of model ${vision.model} is on record to compare with`)
      return 1
    }
    const figures = `cosine ${similarity.toFixed(3)}, threshold ${threshold.toFixed(2)}`
    say(match ? `${studentId}: ${basename(image)} shows this student (${figures})` : `${studentId}: ${basename(image)} does not show this student (${figures})`)
    return match ? 0 : 1
  } finally {
    vision.close()
  }
}

const count = (n: number, thing: string): string => `${n} ${thing}${n === 1 ? '' : 's'}`

/** What a person at a terminal is told; a bug of ours is told whole. */
function cannotTryWords(error: unknown): string | undefined {
  if (error instanceof CannotTry || error instanceof ModelFileRefused || error instanceof Unreachable) return error.message
  if (error instanceof Refused && error.problem.code === 'unauthorized') {
    return `The server does not take this API key: ${error.message}. Give --key-file FILE, API_KEY, or the DATA_DIR of that server.`
  }
  if (error instanceof Refused) return `The server refused: ${error.message}`
  return undefined
}

try {
  // oxlint-disable-next-line node/no-process-env -- a command's own top file
  process.exitCode = await encode(process.argv.slice(2), process.env)
} catch (error) {
  const words = cannotTryWords(error)
  if (words === undefined) throw error
  note(words)
  process.exitCode = 2
}
