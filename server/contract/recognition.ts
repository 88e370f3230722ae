/** What the office should know of how sure recognition is: who cannot be told apart, who has no face, how many wrong marks to expect. */
import { z } from 'zod'
import { Instant, SchoolDate, StudentId } from './ids.ts'
import { LookAlikePair } from './look-alike.ts'
import { Accuracy } from './mark-check.ts'

/** About a school term; the timetable does not say when one ends. */
export const TERM_WEEKS = 18

/** Why no kiosk knows this student's face. `old_model`: the templates on record are of a model that is no longer compared. */
export const WithoutFace = z.enum(['no_consent', 'no_template', 'old_model'])
export type WithoutFace = z.infer<typeof WithoutFace>

/** Answer of `GET /api/v1/recognition`. */
export const Recognition = z.object({
  now: Instant,
  /** The model that kiosks compare with. */
  model: z.string(),
  students: z.int(),
  with_face: z.int(),
  without_face: z.array(z.object({ student_id: StudentId, first_name: z.string(), last_name: z.string(), why: WithoutFace })),
  /** The nearest first. */
  look_alikes: z.array(LookAlikePair),
  /** Share of strangers who, appearing before a kiosk, may be taken for a student: what the kiosks set their score by. */
  false_accept_budget: z.number(),
  /** Lessons to come, in rooms that have a kiosk and of courses that have a student with a face: only there can a face be mistaken. */
  lessons_left: z.object({ from: SchoolDate, to: SchoolDate, count: z.int() }),
  /** Of marks that teachers were asked about; null: nobody has answered yet. */
  accuracy: Accuracy.nullable().default(null),
})
export type Recognition = z.infer<typeof Recognition>

/**
 * Wrong marks to expect: of all strangers who appear, the budget's share. A stranger is anybody who steps
 * before the camera and is not of that lesson; how many do is the school's to say. It is what the kiosks allow at most
 * by what is known of the model; it is no promise about a room whose light or camera nobody has tried.
 */
export function expectedWrongMarks({ false_accept_budget, lessons_left }: Pick<Recognition, 'false_accept_budget' | 'lessons_left'>, strangersPerLesson: number): number {
  return false_accept_budget * lessons_left.count * strangersPerLesson
}

/** Body of `POST /api/v1/recognition/confirmed-different`: a person says that these two are two people. */
export const ConfirmedDifferentRequest = z
  .object({ student_ids: z.tuple([StudentId, StudentId]) })
  .refine(({ student_ids: [one, other] }) => one !== other, { path: ['student_ids'], message: 'must be two students' })
export type ConfirmedDifferentRequest = z.infer<typeof ConfirmedDifferentRequest>
