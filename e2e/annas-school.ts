/** What the tests of faults begin with: a throwaway school in which Anna is enrolled as S001, and a clip of her on another evening. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ANNA_ENROLLED, ANNA_LATER, clipOf, enrolPhotos } from './faces.ts'
import { type School, clearOfTheBell, startSchool } from './school.ts'

export interface AnnasSchool {
  school: School
  /** The clip's file. */
  clip: string
  /** For what a test writes; goes with the school. */
  folder: string
  close(): Promise<void>
}

/** Resolves clear of the bell: a short test runs in one lesson. */
export async function openAnnasSchool(): Promise<AnnasSchool> {
  const folder = await mkdtemp(join(tmpdir(), 'fastrackai-e2e-'))
  const school = await startSchool()
  const clip = await clipOf(join(folder, 'anna.y4m'), [ANNA_LATER])
  await enrolPhotos(school, { S001: ANNA_ENROLLED })
  await clearOfTheBell()
  return {
    school,
    clip,
    folder,
    async close() {
      await school.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
