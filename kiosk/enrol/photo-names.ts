/**
 * Which photo of a folder shows which student, by name alone: `S001.jpg`, further ones as `S001_2.jpg`
 * or `S001-b.png`, or a folder `S001/` with any photos in it. Pure; opens no file.
 */

/** What sharp reads here. */
const PHOTO_ENDINGS: ReadonlySet<string> = new Set(['jpg', 'jpeg', 'png', 'webp', 'avif', 'tif', 'tiff', 'gif'])

export const PHOTO_ENDINGS_WORDS = 'JPEG, PNG, WebP, AVIF or TIFF'

export interface NamedPhotos {
  studentId: string
  /** Paths as given, the student's main photo first. */
  paths: string[]
}

export interface Sorted {
  /** By student id. */
  students: NamedPhotos[]
  refused: { path: string; why: string }[]
  /** Files that do not pretend to be a student's photo (a list, a thumbnail index). */
  ignored: string[]
}

/**
 * @param paths relative to the folder, with `/` between the parts
 * @param known ids of the school's students: `S001_2` is a further photo of S001 unless there is a student S001_2
 */
export function sortPhotos(paths: readonly string[], known: ReadonlySet<string>): Sorted {
  const photos = new Map<string, string[]>()
  const sorted: Sorted = { students: [], refused: [], ignored: [] }
  for (const path of paths.toSorted(mainFirst)) {
    const parts = path.split('/')
    const file = parts.at(-1) ?? ''
    if (parts.some((part) => part.startsWith('.')) || file === 'Thumbs.db' || parts.length > 2) {
      sorted.ignored.push(path)
      continue
    }
    const dot = file.lastIndexOf('.')
    const stem = dot < 0 ? file : file.slice(0, dot)
    const named = parts.length === 2 ? (parts[0] ?? '') : stem
    const studentId = studentNamed(named, known, parts.length === 1)
    if (!PHOTO_ENDINGS.has(file.slice(dot + 1).toLowerCase()) || dot < 0) {
      if (studentId === undefined) sorted.ignored.push(path)
      else sorted.refused.push({ path, why: `It is no photo that this command reads. Save it as ${PHOTO_ENDINGS_WORDS}.` })
    } else if (studentId === undefined) {
      sorted.refused.push({ path, why: unknownWords(named, known) })
    } else photos.set(studentId, [...(photos.get(studentId) ?? []), path])
  }
  sorted.students = [...photos].map(([studentId, theirs]) => ({ studentId, paths: theirs })).toSorted((a, b) => byName(a.studentId, b.studentId))
  return sorted
}

/** Why no student goes by this name, and what to do. */
export function unknownWords(name: string, known: ReadonlySet<string>): string {
  const near = [...known].find((id) => id.toLowerCase() === name.toLowerCase())
  if (near !== undefined) return `The school has no student ${name}, but ${near}. Write the id as the school does.`
  return `The school has no student ${name}. Add them first, or correct the name.`
}

/** The student of a whole name, or of what comes before its last `_` or `-`, and so on to the front. */
function studentNamed(name: string, known: ReadonlySet<string>, mayBeFurther: boolean): string | undefined {
  if (known.has(name)) return name
  if (!mayBeFurther) return undefined
  for (let end = name.length - 1; end > 0; end--) {
    if ((name[end] === '_' || name[end] === '-') && known.has(name.slice(0, end))) return name.slice(0, end)
  }
  return undefined
}

const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })

/** `S001.jpg` before `S001_2.jpg` before `S001_10.jpg`. */
function mainFirst(a: string, b: string): number {
  const stem = (path: string): string => path.replace(/\.[^./]*$/, '')
  return byName(stem(a), stem(b)) || byName(a, b)
}
