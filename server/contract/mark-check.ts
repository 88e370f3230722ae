/**
 * Whether marks are right, by asking: a teacher is shown a few marks of a lesson, drawn at random, and says whether the
 * student was really there. What is never asked about (a PIN, a card, a teacher's own entry) is no recognition.
 */
import { z } from 'zod'
import { Instant, SchoolDate, StudentId } from './ids.ts'

/** Of one lesson. */
export const MOST_CHECKS = 3

/** `unknown`: the teacher does not know, which counts neither way. */
export const CheckAnswer = z.enum(['yes', 'no', 'unknown'])
export type CheckAnswer = z.infer<typeof CheckAnswer>

export const MarkCheck = z.object({
  student_id: StudentId,
  first_name: z.string(),
  last_name: z.string(),
  /** When the kiosk saw them. */
  timestamp: Instant,
  /** Null: not asked yet, or not answered. */
  answer: CheckAnswer.nullable(),
})
export type MarkCheck = z.infer<typeof MarkCheck>

/** Answer of `GET` and `POST /api/v1/lessons/{held_on}/{lesson_id}/checks`: the marks that are asked about, in an order of chance. */
export const MarkChecks = z.object({ checks: z.array(MarkCheck).max(MOST_CHECKS) })
export type MarkChecks = z.infer<typeof MarkChecks>

/** Body of `POST /api/v1/lessons/{held_on}/{lesson_id}/checks`. May be said again: the newest counts. */
export const MarkCheckRequest = z.object({ student_id: StudentId, answer: CheckAnswer })
export type MarkCheckRequest = z.infer<typeof MarkCheckRequest>

/** Days that are looked back over. */
export const ACCURACY_DAYS = 30

/** How often a mark by face was right, with a 95 % interval. */
export const Accuracy = z.object({
  from: SchoolDate,
  estimate: z.number(),
  lower: z.number(),
  upper: z.number(),
  /** Marks that were answered with yes or no. */
  checked: z.int().min(1),
  /** Lessons that they are of, and marks by face in those. */
  lessons: z.int().min(1),
  marks: z.int().min(1),
})
export type Accuracy = z.infer<typeof Accuracy>
