/** Where in the staff pages one is: kept in the address (`/office#/lesson/2026-11-23/12`), so that the back button and a sent link work. */

export type Route =
  | { view: 'day'; /** undefined: the school's today. */ date: string | undefined }
  | { view: 'lesson'; held_on: string; lesson_id: string }
  | { view: 'student'; student_id: string }
  | { view: 'course'; course_id: string }
  | { view: 'reports'; /** undefined: the whole school. */ course_id: string | undefined }
  | { view: 'rooms' }
  | { view: 'kiosks' }
  | { view: 'set-aside' }
  | { view: 'recognition' }
  | { view: 'audit' }
  | { view: 'privacy'; part: PrivacyPart; /** Of `students`: whose; of `certificates`: which. */ id: string | undefined }
  | { view: 'accounts' }
  | { view: 'account' }
  | { view: 'my-attendance' }
  | { view: 'policy' }
  | { view: 'cards'; /** undefined: none chosen yet. */ course_id: string | undefined }
  | { view: 'pins'; /** undefined: none chosen yet. */ course_id: string | undefined }

const PRIVACY_PARTS = ['students', 'kiosks', 'certificates', 'texts', 'schedule'] as const
export type PrivacyPart = (typeof PRIVACY_PARTS)[number]

const DATE = /^\d{4}-\d{2}-\d{2}$/

/** @returns today's lessons for an address that says nothing we know. */
export function routeOf(hash: string): Route {
  const [view, first, second] = hash.replace(/^#?\/?/, '').split('/').map(decode)
  if (view === 'lesson' && first && DATE.test(first) && second) return { view, held_on: first, lesson_id: second }
  if (view === 'student' && first) return { view, student_id: first }
  if (view === 'course' && first) return { view, course_id: first }
  if (view === 'rooms' || view === 'kiosks' || view === 'set-aside' || view === 'recognition' || view === 'audit') return { view }
  if (view === 'accounts' || view === 'account' || view === 'my-attendance') return { view }
  if (view === 'reports') return { view, course_id: first || undefined }
  if (view === 'policy') return { view }
  if (view === 'privacy') return { view, part: PRIVACY_PARTS.find((part) => part === first) ?? 'students', id: second || undefined }
  if (view === 'cards') return { view, course_id: first || undefined }
  if (view === 'pins') return { view, course_id: first || undefined }
  return { view: 'day', date: view === 'day' && first && DATE.test(first) ? first : undefined }
}

export function hashOf(route: Route): string {
  switch (route.view) {
    case 'day':
      return route.date === undefined ? '#/' : `#/day/${route.date}`
    case 'lesson':
      return `#/lesson/${route.held_on}/${encodeURIComponent(route.lesson_id)}`
    case 'student':
      return `#/student/${encodeURIComponent(route.student_id)}`
    case 'course':
      return `#/course/${encodeURIComponent(route.course_id)}`
    case 'reports':
      return route.course_id === undefined ? '#/reports' : `#/reports/${encodeURIComponent(route.course_id)}`
    case 'rooms':
      return '#/rooms'
    case 'accounts':
    case 'account':
    case 'my-attendance':
      return `#/${route.view}`
    case 'kiosks':
      return '#/kiosks'
    case 'set-aside':
      return '#/set-aside'
    case 'recognition':
      return '#/recognition'
    case 'audit':
      return '#/audit'
    case 'privacy':
      return `#/privacy/${route.part}${route.id === undefined ? '' : `/${encodeURIComponent(route.id)}`}`
    case 'policy':
      return '#/policy'
    case 'cards':
      return route.course_id === undefined ? '#/cards' : `#/cards/${encodeURIComponent(route.course_id)}`
    case 'pins':
      return route.course_id === undefined ? '#/pins' : `#/pins/${encodeURIComponent(route.course_id)}`
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}
