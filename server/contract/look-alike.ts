/**
 * When two students' faces are so near that they must be one person's, or may be taken for each other at a
 * kiosk. Compared are the means of each student's templates of one model; never across models.
 */
import { z } from 'zod'
import { CourseId, Instant, StudentId } from './ids.ts'

/**
 * Cosine from which two ids hold the face of one person: enrolment is refused unless someone says that they are two (twins).
 * LFW, mobilefacenet-192-r1, no mirror: of one person's two means of one photo each 80 % reach it (1,176 trials), of two each 99.3 % (282),
 * of three each all (63); of 789,396 pairs of different people's single photos 1.
 */
export const SAME_PERSON = 0.7

/**
 * Cosine from which two students may be taken for each other: both are enrolled, and a kiosk asks either for a second factor.
 * Of 2 million pairs of LFW's photos of different people 4 reach it (two of them seem to be one person under two names): in a school of 5,000 some 25
 * pairs. At 0.6 it would be 11 in a million, at 0.5 270. Different people before one camera came to 0.64 with single frames, so one
 * photo each from one webcam does not make look-alikes of strangers. LFW holds few siblings.
 */
export const LOOK_ALIKE = 0.65

/** For those who compare without importing this file. */
export const LIKENESS_LEVELS = { same_person: SAME_PERSON, look_alike: LOOK_ALIKE } as const

/** @param similarity cosine of the two means. NaN is no likeness. */
export function likenessOf(similarity: number): 'same_person' | 'look_alike' | undefined {
  if (similarity >= SAME_PERSON) return 'same_person'
  return similarity >= LOOK_ALIKE ? 'look_alike' : undefined
}

/** Another student whose face is near, as only the office may read it. */
export const NearStudent = z.object({
  student_id: StudentId,
  first_name: z.string(),
  last_name: z.string(),
  /** Cosine of the two means. */
  similarity: z.number(),
})
export type NearStudent = z.infer<typeof NearStudent>

/** Two people, though their faces say one: who said so, and when. */
export const Confirmation = z.object({ confirmed_by: z.string(), confirmed_at: Instant })
export type Confirmation = z.infer<typeof Confirmation>

const PairMember = NearStudent.omit({ similarity: true })

/** Two students whose faces may be taken for each other; each pair stands once. */
export const LookAlikePair = z.object({
  students: z.tuple([PairMember, PairMember]),
  model: z.string(),
  similarity: z.number(),
  found_at: Instant,
  confirmed_different: Confirmation.nullable(),
  /** Courses that both take now: there one kiosk sees both. */
  shared_course_ids: z.array(CourseId),
})
export type LookAlikePair = z.infer<typeof LookAlikePair>
