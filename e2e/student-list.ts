/** A person's own list of photos, put into a throwaway school as a school would: for the rehearsal and the soak. */
import { parse } from 'csv-parse/sync'
import { spawn } from 'node:child_process'
import { copyFile, mkdir, readFile, stat } from 'node:fs/promises'
import { dirname, extname, join, resolve } from 'node:path'
import { z } from 'zod'
import { StudentId } from '#contract/ids'
import { Courses } from '#contract/people'
import type { School } from './school.ts'

/** What the person gave cannot be tried; the message says what is wrong with it. */
export class CannotTry extends Error {}

/** The encode command takes DIR/S001/1.jpg for a photo of S001. */
const PHOTO = /^refused\s+(\S+)\/(\d+)\.\w+: (.*)$/

export interface Photo {
  studentId: string
  name: string
  /** As the list names it. */
  image: string
  path: string
}

export interface RefusedPhoto {
  student_id: string
  image: string
  reason: string
}

const Row = z.object({
  student_id: StudentId,
  name: z.string().trim().min(1, 'must not be empty').max(150),
  image: z.string().trim().min(1, 'must name a file'),
})

/** Every fault of the list at once, each with its line. */
export async function readPhotos(file: string): Promise<Photo[]> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new CannotTry(`--students ${file}: there is no such file, or it may not be read`)
  })
  let rows: unknown[]
  try {
    rows = parse(text, { columns: true, bom: true, trim: true, skip_empty_lines: true }) as unknown[]
  } catch (fault) {
    throw new CannotTry(`--students ${file}: not a CSV file: ${(fault as Error).message}`)
  }
  if (rows.length === 0) throw new CannotTry(`--students ${file}: no rows; it needs the columns student_id,name,image and a row for each photo`)
  const faults: string[] = []
  const photos: Photo[] = []
  for (const [i, value] of rows.entries()) {
    const row = Row.safeParse(value)
    if (!row.success) {
      for (const issue of row.error.issues) faults.push(`line ${i + 2}: ${issue.path.join('.')} ${issue.message}`)
      continue
    }
    const path = resolve(dirname(file), row.data.image)
    const found = await stat(path).catch(() => undefined)
    if (found?.isFile()) photos.push({ studentId: row.data.student_id, name: row.data.name, image: row.data.image, path })
    else faults.push(`line ${i + 2}: image ${row.data.image}: there is no such file (${path})`)
  }
  if (faults.length > 0) throw new CannotTry(`--students ${file}:\n  ${faults.join('\n  ')}`)
  return photos
}

export async function checkClip(file: string): Promise<string> {
  if (!['.mjpeg', '.y4m'].includes(extname(file))) throw new CannotTry(`--camera ${file}: must be an .mjpeg or .y4m file; ffmpeg -i CLIP -an -c:v mjpeg -q:v 3 clip.mjpeg makes one`)
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile() || found.size === 0) throw new CannotTry(`--camera ${file}: there is no such file, or it is empty`)
  return file
}

/** The lesson that is on knows the list's students and nobody else. */
export async function enrolList(school: School, photos: Photo[]): Promise<void> {
  const names = new Map(photos.map(({ studentId, name }) => [studentId, name]))
  for (const [id, name] of names) {
    const [first, ...rest] = name.split(/\s+/)
    await school.ask(z.unknown(), 'PUT', `/students/${id}`, { first_name: first, last_name: rest.join(' ') || first })
  }
  const { courses } = await school.ask(Courses, 'GET', '/courses')
  for (const course of courses) await school.ask(z.unknown(), 'PUT', `/courses/${course.course_id}/students`, { student_ids: [...names.keys()] })
}

export async function encodePhotos(school: School, photos: Photo[], folder: string, note: (line: string) => void): Promise<RefusedPhoto[]> {
  const filed = new Map<string, Photo>()
  for (const photo of photos) {
    const n = [...filed.values()].filter((one) => one.studentId === photo.studentId).length + 1
    const key = `${photo.studentId}/${n}`
    filed.set(key, photo)
    await mkdir(join(folder, photo.studentId), { recursive: true })
    await copyFile(photo.path, join(folder, `${key}${extname(photo.path)}`))
  }
  const args = ['--batch', folder, '--consent', 'Rehearsal on a throwaway school', '--server', school.url]
  const { code, output } = await runEncode(args, school.apiKey, note)
  if (code === 2) throw new CannotTry(`The photos could not be encoded:\n${output}`)
  return output.split('\n').flatMap((line) => {
    const [, studentId, n, reason] = PHOTO.exec(line) ?? []
    const photo = filed.get(`${studentId}/${n}`)
    return photo && reason ? [{ student_id: photo.studentId, image: photo.image, reason }] : []
  })
}

async function runEncode(args: string[], apiKey: string, note: (line: string) => void): Promise<{ code: number | null; output: string }> {
  // eslint-disable-next-line node/no-process-env -- the key goes by the environment, where no process list shows it
  const env = { ...process.env, API_KEY: apiKey }
  const child = spawn(process.execPath, ['--import', 'tsx', 'kiosk/enrol/encode.ts', ...args], { cwd: resolve(import.meta.dirname, '..'), env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const line of text.trimEnd().split('\n')) note(`  ${line}`)
    })
  }
  const code = await new Promise<number | null>((done) => child.once('close', done))
  return { code, output }
}
