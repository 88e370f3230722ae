/**
 * Runs a classroom's kiosk: wires camera, vision, attendance, store and sync together and makes the
 * states that the screen shows. Knows no pixel of a face and no letter of SQL; decides nothing about
 * who somebody is (attendance does) and nothing about what a screen looks like (classroom-screen does).
 *
 * From power-on:
 *   1. pair: take the key from the pairing link, or the saved one;
 *   2. adopt the saved roster at once, so that a kiosk without network works; sync replaces it later;
 *   3. load the models meanwhile, and again whenever they fail;
 *   4. every second: which lesson is on? A new one opens its register from disk and a fresh gallery;
 *   5. during a lesson, frame by frame: camera -> vision -> sightings -> register -> disk -> screen.
 * Outside a lesson the camera is off.
 */
import type { Heartbeat } from '#contract/device'
import { CURRENT_MODEL } from '#contract/model'
import type { Lesson, RosterStudent } from '#contract/schedule'
import { type Gallery, packGallery } from '../attendance/gallery.ts'
import { type Mark, type Register, openRegister } from '../attendance/register.ts'
import { type SeenFace, type Sightings, followSightings } from '../attendance/sightings.ts'
import { type Pairing, type SavedRoster, type Store, openStore } from '../store/store.ts'
import { type AppUpdate, watchAppUpdate } from '../sync/app-update.ts'
import { type Sync, startSync } from '../sync/sync.ts'
import { type Camera, openCamera } from '../vision/camera.ts'
import type { Reason } from '../vision/face.ts'
import { type Vision, startVision } from '../vision/vision.ts'
import { lessonAt, nextLesson } from './lesson-clock.ts'
import { readPairingLink } from './pairing-link.ts'
import './classroom-screen.ts'
import type { ClassroomScreen } from './classroom-screen.ts'
import { StageMedians } from './stage-medians.ts'
import type { Badge, Diagnostics, LessonCard, OutlinedFace, Place, PresentStudent, ScreenState } from './state.ts'

/** Cosine by which the best student must lead the second best. Measured with the threshold, see README, Figures. */
const CLEAR_OF_RUNNER_UP = 0.08
/** How long a greeting stays, ms. */
const GREETING_MS = 4_000
/** Waiting time before the models are loaded again: 5 s, then twice as long each time, at most 5 minutes. */
const RETRY_FIRST_S = 5
const RETRY_MOST_S = 300
/** A stored mark is kept on the kiosk for so long after its day, so that "who is here" survives a restart. */
const KEEP_STORED_MS = 2 * 24 * 3600_000

/** What is needed while a lesson is on. */
interface InLesson {
  lesson: Lesson
  students: Map<string, RosterStudent>
  gallery: Gallery | undefined
  sightings: Sightings | undefined
  register: Register
}

declare const __APP_VERSION__: string

export async function mount(root: HTMLElement): Promise<void> {
  const screen = document.createElement('classroom-screen') as ClassroomScreen
  root.append(screen)
  const kiosk = new Kiosk(screen, () => Date.now())
  await kiosk.start()
}

class Kiosk {
  private store!: Store
  private sync: Sync | undefined
  private update: AppUpdate | undefined
  private vision: Vision | undefined
  private camera: Camera | undefined
  private roster: (SavedRoster & { lapsed?: boolean }) | undefined
  private inLesson: InLesson | undefined
  private loading = { what: 'Starting', done: 0 }
  private modelFailed: { problem: string; retryAt: number } | undefined
  private outOfDate: string | undefined
  private contact: { online: boolean; at: number | undefined } = { online: false, at: undefined }
  private marks = { unsent: 0, refused: 0 }
  private updateReady = false
  private offsetMs = 0
  private faces: OutlinedFace[] = []
  private frameSize = { width: 1280, height: 720 }
  private greeting: { studentId: string; firstName: string; markedAt: number; until: number } | undefined
  private present: PresentStudent[] = []
  private watching = false
  private storageProblem: string | undefined
  private readonly medians = new StageMedians()
  private readonly diagnostics: Diagnostics = {
    appVersion: __APP_VERSION__,
    model: undefined,
    frames: 0,
    facesSeen: 0,
    unknownFaces: 0,
    unknownSightings: 0,
    firstFaceAt: undefined,
    marked: [],
    ms: undefined,
    camera: 'starting',
  }

  constructor(
    private readonly screen: ClassroomScreen,
    private readonly clock: () => number,
  ) {}

  /** The clock that marks are made with: ours, corrected by what the server last said. */
  private now(): number {
    return this.clock() + this.offsetMs
  }

  async start(): Promise<void> {
    this.show({ screen: 'loading', place: undefined, progress: 0, what: 'Starting' })
    this.update = watchAppUpdate({
      onReady: () => {
        this.updateReady = true
        this.takeUpdateIfIdle()
      },
    })
    this.store = await openStore()
    this.offsetMs = await this.store.savedClockOffset()
    const link = readPairingLink(location.hash)
    if (link.kind === 'pairing') await this.store.savePairing(link.pairing)
    // The key must not stay in the address bar, in the history or in a screenshot.
    if (link.kind !== 'none') history.replaceState(null, '', location.pathname)
    const pairing = await this.store.savedPairing()
    if (!pairing) {
      this.show({ screen: 'not_paired', problem: link.kind === 'broken' ? link.problem : undefined })
      addEventListener('hashchange', () => location.reload(), { once: true })
      return
    }
    await this.store.sweepMarks(new Date(this.now() - KEEP_STORED_MS).toISOString())
    await this.countMarks()
    const saved = await this.store.savedRoster()
    if (saved) await this.adoptRoster(saved)
    this.startSync(pairing)
    setInterval(() => void this.tick(), 1_000)
    addEventListener('hashchange', () => location.reload(), { once: true })
    await this.tick()
    await this.loadVision()
  }

  private startSync(pairing: Pairing): void {
    this.sync = startSync({
      store: this.store,
      pairing,
      appVersion: __APP_VERSION__,
      clock: this.clock,
      status: () => this.status(),
      onRoster: (roster) => void this.adoptRoster(roster),
      onContact: ({ online, at, clockOffsetMs, serverAppVersion }) => {
        this.contact = { online, at }
        this.offsetMs = clockOffsetMs
        if (serverAppVersion !== undefined && serverAppVersion !== __APP_VERSION__) void this.update?.check()
        this.render()
      },
      onRevoked: () => this.stopRevoked(),
      onOutOfDate: (problem) => {
        this.outOfDate = problem
        void this.update?.check()
        this.render()
      },
      onMarksSettled: () => void this.countMarks().then(() => this.render()),
    })
  }

  private stopRevoked(): void {
    this.closeCamera()
    this.inLesson = undefined
    this.roster = undefined
    this.show({ screen: 'revoked' })
    this.revoked = true
  }
  private revoked = false

  // -- roster and lesson --------------------------------------------------------------------

  private async adoptRoster(roster: SavedRoster & { lapsed?: boolean }): Promise<void> {
    this.roster = roster
    this.outOfDate = undefined
    await this.chooseLesson(true)
  }

  private lessons(): Lesson[] {
    const schedule = this.roster?.schedule
    if (!schedule) return []
    return [...(schedule.current_class ? [schedule.current_class] : []), ...schedule.ahead.lessons]
  }

  /** One choice at a time: two that read the disk side by side could open two registers of one lesson. */
  private chooseLesson(rosterChanged: boolean): Promise<void> {
    this.choosing = this.choosing.then(() => this.openLesson(rosterChanged)).catch((fault: unknown) => this.storageFailed(fault))
    return this.choosing
  }
  private choosing = Promise.resolve()

  /** Opens the register of the lesson that is on, from disk. A changed roster in mid-lesson replaces who can be known. */
  private async openLesson(rosterChanged: boolean): Promise<void> {
    const schedule = this.roster?.schedule
    const lesson = lessonAt(this.lessons(), this.now())
    if (!schedule || !lesson) {
      if (this.inLesson) this.leaveLesson()
      return
    }
    const same = this.inLesson?.lesson.lesson_id === lesson.lesson_id && this.inLesson.lesson.held_on === lesson.held_on
    if (same && !rosterChanged) return
    const saved = await this.store.marksOfLesson(lesson.held_on, lesson.lesson_id)
    const everyone = [...schedule.students, ...schedule.ahead.students]
    const students = new Map(everyone.filter((one) => lesson.student_ids.includes(one.student_id)).map((one) => [one.student_id, one]))
    const model = this.vision?.model
    const gallery = model && !this.roster?.lapsed ? packGallery([...students.values()], model) : undefined
    this.inLesson = {
      lesson,
      students,
      gallery,
      sightings: gallery && followSightings(gallery, { threshold: schedule.settings.recognition_threshold, margin: CLEAR_OF_RUNNER_UP }),
      register: openRegister(lesson, saved, { debounceMs: schedule.settings.debounce_seconds * 1000, model: model ?? CURRENT_MODEL }),
    }
    this.listPresent()
    if (this.vision) this.watch()
  }

  private leaveLesson(): void {
    this.inLesson = undefined
    this.faces = []
    this.greeting = undefined
    this.closeCamera()
    this.takeUpdateIfIdle()
  }

  /** A new app is taken between two lessons, never in one. */
  private takeUpdateIfIdle(): void {
    if (this.updateReady && !this.inLesson) this.update?.activate()
  }

  private async tick(): Promise<void> {
    if (this.revoked) return
    if (this.greeting && this.clock() > this.greeting.until) this.greeting = undefined
    await this.chooseLesson(false)
    this.render()
  }

  // -- vision -------------------------------------------------------------------------------

  private async loadVision(): Promise<void> {
    let wait = RETRY_FIRST_S
    while (!this.vision && !this.revoked) {
      try {
        this.vision = await startVision({
          onProgress: ({ part, done }) => {
            this.loading = { what: part, done }
            this.render()
          },
        })
        this.modelFailed = undefined
        this.diagnostics.model = this.vision.model
      } catch (fault) {
        this.modelFailed = { problem: sentence(fault), retryAt: this.clock() + wait * 1000 }
        this.render()
        await new Promise((resolve) => setTimeout(resolve, wait * 1000))
        wait = Math.min(RETRY_MOST_S, wait * 2)
      }
    }
    await this.chooseLesson(true)
    this.render()
  }

  private closeCamera(): void {
    this.camera?.close()
    this.camera = undefined
    this.diagnostics.camera = 'starting'
  }

  /** Looks at frames while a lesson is on; one frame in work at a time, and always the newest. */
  private watch(): void {
    const settings = this.roster?.schedule.settings
    if (!settings || this.watching) return
    this.camera ??= openCamera({
      fps: settings.camera_fps,
      onState: (state) => {
        this.diagnostics.camera = state
        if (state !== 'live') this.faces = []
        this.render()
      },
    })
    this.watching = true
    void this.watchFrames(this.camera).finally(() => {
      this.watching = false
      // The lesson went on, or the next one began, while the last frame was in work.
      if (this.inLesson && this.vision) this.watch()
    })
  }

  private async watchFrames(camera: Camera): Promise<void> {
    while (this.inLesson && this.vision && camera === this.camera) {
      const skip = this.roster?.schedule.settings.frame_skip ?? 0
      let frame: ImageBitmap
      try {
        frame = await camera.nextFrame(skip)
      } catch {
        return // closed
      }
      try {
        const seen = await this.vision.look(frame, performance.now())
        this.frameSize = { width: seen.width, height: seen.height }
        const known = this.inLesson?.sightings?.add(seen) ?? []
        this.medians.add(seen)
        this.count(seen.faces.length, known)
        await this.mark(known)
        this.outline(known)
        this.render()
      } catch (fault) {
        // The worker died: a new one is started; the register, the roster and the camera stay.
        this.vision.close()
        this.vision = undefined
        this.faces = []
        this.loading = { what: sentence(fault), done: 0 }
        void this.loadVision()
        return
      }
    }
  }

  private count(faces: number, known: SeenFace[]): void {
    this.diagnostics.frames += 1
    this.diagnostics.facesSeen += faces
    if (faces > 0) this.diagnostics.firstFaceAt ??= performance.now()
    for (const { verdict } of known) {
      if (verdict.kind !== 'unknown') continue
      this.diagnostics.unknownSightings += 1
      if (verdict.first) this.diagnostics.unknownFaces += 1
    }
    this.diagnostics.ms = this.medians.all()
  }

  /** Saves each new mark, then shows it. */
  private async mark(known: SeenFace[]): Promise<void> {
    for (const { verdict } of known) {
      const lesson = this.inLesson
      if (verdict.kind !== 'student' || !lesson) continue
      const seen = lesson.register.see({ studentId: verdict.studentId, confidence: verdict.confidence, at: this.now() })
      if (!seen) continue
      if (seen.kind === 'seen_again') {
        const key = { held_on: lesson.lesson.held_on, lesson_id: lesson.lesson.lesson_id, student_id: seen.studentId }
        await this.store.moveLastSeen(key, new Date(seen.at).toISOString()).catch((fault: unknown) => this.storageFailed(fault))
        this.listPresent()
      } else await this.save(lesson, seen.mark)
    }
  }

  private async save(lesson: InLesson, mark: Mark): Promise<void> {
    let fresh: boolean
    try {
      fresh = await this.store.saveMark({ ...mark, state: 'unsent', last_seen: mark.timestamp })
      this.storageProblem = undefined
    } catch (fault) {
      lesson.register.release(mark)
      this.storageFailed(fault)
      return
    }
    lesson.register.confirm(mark)
    this.listPresent()
    // Marked before, by a register that was open until a moment ago: here, but not greeted again.
    if (!fresh) return
    this.diagnostics.marked.push({ studentId: mark.student_id, confidence: mark.confidence, at: performance.now() })
    const student = lesson.students.get(mark.student_id)
    if (student) this.greeting = { studentId: mark.student_id, firstName: student.first_name, markedAt: this.now(), until: this.clock() + GREETING_MS }
    await this.countMarks()
    this.sync?.markAdded()
  }

  private storageFailed(fault: unknown): void {
    this.storageProblem = sentence(fault)
  }

  // -- what the screen and the server are told ------------------------------------------------

  private outline(known: SeenFace[]): void {
    const lesson = this.inLesson
    const here = new Set(this.present.map((one) => one.studentId))
    this.faces = known.flatMap(({ face, track, verdict }): OutlinedFace[] => {
      const { box } = face
      if (face.refused === 'not_a_face') return []
      if (verdict.kind === 'student') {
        const student = lesson?.students.get(verdict.studentId)
        if (student && here.has(verdict.studentId)) return [{ box, track, name: fullName(student), kind: 'here', hint: undefined }]
        return [{ box, track, name: undefined, kind: 'looking', hint: undefined }]
      }
      if (verdict.kind === 'refused') return [{ box, track, name: undefined, kind: 'hint', hint: HINT_OF[face.refused ?? 'looks_away'] }]
      return [{ box, track, name: undefined, kind: verdict.kind, hint: undefined }]
    })
  }

  private listPresent(): void {
    const lesson = this.inLesson
    this.present = (lesson?.register.present() ?? []).map(({ studentId, markedAt, lastSeenAt }) => {
      const student = lesson?.students.get(studentId)
      return { studentId, name: student ? fullName(student) : studentId, markedAt, lastSeenAt }
    })
  }

  private async countMarks(): Promise<void> {
    this.marks = await this.store.countMarks()
  }

  private status(): Partial<Heartbeat> {
    const since = this.medians.takeSinceLast()
    const lesson = this.inLesson?.lesson
    return {
      app_version: __APP_VERSION__,
      model: this.vision?.model ?? null,
      lesson: lesson ? { lesson_id: lesson.lesson_id, held_on: lesson.held_on } : null,
      camera: this.diagnostics.camera,
      ...since,
      unsent_marks: this.marks.unsent,
      refused_marks: this.marks.refused,
      roster_pulled_at: this.roster ? new Date(this.roster.pulledAt).toISOString() : null,
    }
  }

  private place(): Place {
    const badge: Badge = {
      connection: this.contact.online ? 'online' : 'offline',
      lastContactAt: this.contact.at ?? this.roster?.pulledAt,
      unsentMarks: this.marks.unsent,
      refusedMarks: this.marks.refused,
      updateReady: this.updateReady,
      storageProblem: this.storageProblem,
    }
    const schedule = this.roster?.schedule
    return { roomName: schedule?.room.name ?? '', timeZone: schedule?.school.time_zone ?? 'UTC', now: this.now(), badge }
  }

  private render(): void {
    if (!this.revoked) this.show(this.state())
    this.screen.diagnostics = this.diagnostics
  }

  private state(): ScreenState {
    const place = this.place()
    if (!this.roster) {
      if (this.outOfDate) return { screen: 'out_of_date', place, problem: this.outOfDate }
      return { screen: 'no_roster', place, why: 'never_reached' }
    }
    const lesson = this.inLesson
    if (!lesson) {
      if (this.outOfDate) return { screen: 'out_of_date', place, problem: this.outOfDate }
      const next = nextLesson(this.lessons(), this.now())
      return { screen: 'no_lesson', place, next: next && card(next) }
    }
    if (this.roster.lapsed) return { screen: 'no_roster', place, why: 'lapsed' }
    if (this.modelFailed && !this.vision) {
      return { screen: 'model_failed', place, problem: this.modelFailed.problem, retryIn: Math.max(0, Math.ceil((this.modelFailed.retryAt - this.clock()) / 1000)) }
    }
    if (!this.vision || !this.camera) return { screen: 'loading', place, progress: this.loading.done, what: this.loading.what }
    const camera = this.camera.state
    if (camera === 'none' || camera === 'denied' || camera === 'lost') return { screen: 'no_camera', place, lesson: card(lesson.lesson), why: camera }
    if (camera === 'starting') return { screen: 'loading', place, progress: 1, what: 'Camera' }
    const students = [...lesson.students.values()]
    return {
      screen: 'lesson',
      place,
      lesson: card(lesson.lesson),
      video: this.camera.video,
      faces: this.faces,
      frameSize: this.frameSize,
      present: this.present,
      enrolled: lesson.lesson.student_ids.length,
      withoutFace: students.filter((student) => student.templates.length === 0).length,
      greeting: this.greeting && { studentId: this.greeting.studentId, firstName: this.greeting.firstName, markedAt: this.greeting.markedAt },
    }
  }

  private show(state: ScreenState): void {
    this.screen.state = state
  }
}

const HINT_OF: Record<Reason, OutlinedFace['hint']> = {
  no_face: undefined,
  two_faces: undefined,
  not_a_face: undefined,
  cut_off: 'look_here',
  too_small: 'come_closer',
  too_dark: 'more_light',
  too_bright: 'more_light',
  looks_away: 'look_here',
  blurred: 'hold_still',
}

function fullName(student: RosterStudent): string {
  return `${student.first_name} ${student.last_name}`
}

function card(lesson: Lesson): LessonCard {
  return { courseCode: lesson.course_code, courseName: lesson.course_name, startsAt: Date.parse(lesson.starts_at), endsAt: Date.parse(lesson.ends_at) }
}

function sentence(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault)
}
