import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Student } from '#contract/people'
import { startSchool, type School } from './school.ts'

describe('a school', () => {
  let school: School
  beforeAll(async () => {
    school = await startSchool()
  })
  afterAll(async () => {
    await school?.stop()
  })

  test('prints a link that pairs a kiosk, and the key in it opens its own room alone', async () => {
    const { room_id, key } = school.device
    expect(new URL(school.kioskLink).origin).toBe(school.url)
    expect((await school.api('GET', `/schedule?room_id=${room_id}`, undefined, { key })).status).toBe(200)
    expect((await school.api('GET', `/schedule?room_id=ANOTHER`, undefined, { key })).status).toBe(403)
    expect((await school.api('GET', `/schedule?room_id=${room_id}`, undefined, { key: null })).status).toBe(401)
  })

  test('killed after it stored a mark, it starts again on the same folder with that mark, once', async () => {
    const { url } = school
    const lesson = await school.lessonNow()
    await school.enrol({ student_id: 'S999', first_name: 'Ada', last_name: 'Quist', course_ids: [lesson.course_id] })
    const record = { student_id: 'S999', course_id: lesson.course_id, timestamp: z.object({ now: z.string() }).parse((await school.api('GET', '/lessons')).body).now, confidence: 0.9 }
    expect(await school.attend([record])).toMatchObject({ stored: 1 })
    await school.kill9()
    await school.restart()
    expect(school.url).toBe(url)
    expect(await school.attend([record])).toMatchObject({ stored: 0, duplicate: 1 })
    const { entries } = await school.register(lesson)
    expect(entries.filter((entry) => entry.mark).map((entry) => entry.student_id)).toEqual(['S999'])
  })

  test('forgets the templates of a student who withdraws', async () => {
    const embedding = Array.from({ length: 192 }, (_, i) => (i === 0 ? 1 : 0))
    await school.enrol({ student_id: 'S998', first_name: 'Bo', last_name: 'Ek', templates: [{ model: 'mobilefacenet-192-r1', embedding }] })
    expect((await school.ask(Student, 'GET', '/students/S998')).templates).toMatchObject([{ count: 1 }])
    await school.withdrawConsent('S998')
    expect((await school.ask(Student, 'GET', '/students/S998')).templates).toEqual([])
  })

  test('leaves no process and no folder behind when it is stopped', async () => {
    const { pid, dataDir } = school
    await school.stop()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(existsSync(dataDir)).toBe(false)
  })

  test('that cannot start says what the server printed', async () => {
    await expect(startSchool({ env: { FRAME_SKIP: 'many' } })).rejects.toThrow('FRAME_SKIP="many" must be')
  })
})
