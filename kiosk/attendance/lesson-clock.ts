/** Which lesson a room is in, from the saved timetable and the corrected clock alone. */
import type { Lesson } from '#contract/schedule'

/** A lesson's register opens this early, so that those who come before the bell are marked. */
export const OPENS_EARLY_MS = 10 * 60_000

/**
 * The lesson running at `now` (ms); else the one that starts within OPENS_EARLY_MS; else undefined.
 * A running lesson always wins over the next one.
 */
export function lessonAt(lessons: readonly Lesson[], now: number): Lesson | undefined {
  const running = lessons.find((lesson) => Date.parse(lesson.starts_at) <= now && now < Date.parse(lesson.ends_at))
  if (running) return running
  const next = nextLesson(lessons, now)
  return next && Date.parse(next.starts_at) - now <= OPENS_EARLY_MS ? next : undefined
}

/** The first lesson that starts after `now` (ms). */
export function nextLesson(lessons: readonly Lesson[], now: number): Lesson | undefined {
  let next: Lesson | undefined
  for (const lesson of lessons) {
    if (Date.parse(lesson.starts_at) > now && (!next || Date.parse(lesson.starts_at) < Date.parse(next.starts_at))) next = lesson
  }
  return next
}
