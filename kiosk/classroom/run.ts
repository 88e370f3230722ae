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
import type { Lesson } from '#contract/schedule'
import { type Pairing, type SavedRoster, type Store, openStore } from '../store/store.ts'
import { type AppUpdate, watchAppUpdate } from '../sync/app-update.ts'
import { type Sync, startSync } from '../sync/sync.ts'
import { type Camera, openCamera } from '../vision/camera.ts'
import type { SeenFrame } from '../vision/face.ts'
import type { Vision } from '../vision/vision.ts'
import './classroom-screen.ts'
import type { ClassroomScreen } from './classroom-screen.ts'
import { type Eyes, openEyes } from './eyes.ts'
import { type InLesson, type Taken, openInLesson } from './in-lesson.ts'
import { lessonAt } from './lesson-clock.ts'
import { readPairingLink } from './pairing-link.ts'
import { screenState } from './screen-state.ts'
import { StageMedians } from './stage-medians.ts'
import type { Diagnostics, OutlinedFace, Place, ScreenState } from './state.ts'

/** How long a greeting stays, ms. */
const GREETING_MS = 4_000
/** A stored mark is kept on the kiosk for so long, so that "who is here" survives a restart. */
const KEEP_STORED_MS = 2 * 24 * 3600_000

declare const __APP_VERSION__: string

export async function mount(root: HTMLElement): Promise<void> {
  const screen = document.createElement('classroom-screen') as ClassroomScreen
  root.append(screen)
  try {
    await startKiosk(screen, () => Date.now())
  } catch (fault) {
    // The disk cannot be opened at all: nothing can be kept, so nothing may be shown as marked.
    screen.state = { screen: 'not_paired', problem: sentence(fault) }
  }
}

async function startKiosk(screen: ClassroomScreen, clock: () => number): Promise<void> {
  screen.state = { screen: 'loading', place: undefined, progress: 0, what: 'Starting' }
  addEventListener('hashchange', () => location.reload(), { once: true })
  const store = await openStore()
  const link = readPairingLink(location.hash)
  if (link.kind === 'pairing') await store.savePairing(link.pairing)
  // The key must not stay in the address bar, in the history or in a screenshot.
  if (link.kind !== 'none') history.replaceState(null, '', location.pathname)
  const pairing = await store.savedPairing()
  if (pairing) await new Kiosk(screen, clock, store, pairing).start()
  else screen.state = { screen: 'not_paired', problem: link.kind === 'broken' ? link.problem : undefined }
}

class Kiosk {
  private sync: Sync | undefined
  private update: AppUpdate | undefined
  private eyes: Eyes | undefined
  private camera: Camera | undefined
  private watching = false
  private roster: SavedRoster | undefined
  private inLesson: InLesson | undefined
  private choosing = Promise.resolve()
  private revoked = false
  private outOfDate: string | undefined
  private updateReady = false
  private contact: { online: boolean; at: number | undefined } = { online: false, at: undefined }
  private marks = { unsent: 0, refused: 0 }
  private storageProblem: string | undefined
  private offsetMs = 0
  private faces: OutlinedFace[] = []
  private frameSize = { width: 1280, height: 720 }
  private greeting: { studentId: string; firstName: string; markedAt: number; until: number } | undefined
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
    private readonly store: Store,
    private readonly pairing: Pairing,
  ) {}

  async start(): Promise<void> {
    this.offsetMs = await this.store.savedClockOffset()
    await this.store.sweepMarks(new Date(this.now() - KEEP_STORED_MS).toISOString().slice(0, 10))
    this.marks = await this.store.countMarks()
    const saved = await this.store.savedRoster(this.now())
    if (saved) await this.adoptRoster(saved)
    this.eyes = openEyes({ clock: this.clock, onState: ({ kind }) => (kind === 'ready' ? void this.chooseLesson(true) : this.render()) })
    this.update = watchAppUpdate({
      onReady: () => {
        this.updateReady = true
        if (!this.inLesson) this.takeUpdate()
      },
    })
    this.startSync()
    setInterval(() => void this.tick(), 1_000)
    await this.tick()
  }

  /** The clock that marks are made with: ours, corrected by what the server last said. */
  private now(): number {
    return this.clock() + this.offsetMs
  }

  private async tick(): Promise<void> {
    this.diagnostics.ms = this.medians.all()
    if (this.greeting && this.clock() > this.greeting.until) this.greeting = undefined
    await this.chooseLesson(false)
    this.render()
  }

  // -- the school ---------------------------------------------------------------------------

  private startSync(): void {
    this.sync = startSync({
      store: this.store,
      pairing: this.pairing,
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
      onRevoked: () => {
        this.revoked = true
        this.leaveLesson()
        this.roster = undefined
        this.render()
      },
      onOutOfDate: (problem) => {
        this.outOfDate = problem
        void this.update?.check()
        this.render()
      },
      onMarksSettled: () => void this.countMarks(),
    })
  }

  private async adoptRoster(roster: SavedRoster): Promise<void> {
    this.revoked = false
    this.outOfDate = undefined
    this.roster = roster
    await this.chooseLesson(true)
  }

  private async countMarks(): Promise<void> {
    this.marks = await this.store.countMarks()
    this.render()
  }

  private status(): Partial<Heartbeat> {
    const lesson = this.inLesson?.lesson
    return {
      app_version: __APP_VERSION__,
      model: this.vision()?.model ?? null,
      lesson: lesson ? { lesson_id: lesson.lesson_id, held_on: lesson.held_on } : null,
      camera: this.camera?.state ?? 'starting',
      ...this.medians.takeSinceLast(),
      unsent_marks: this.marks.unsent,
      refused_marks: this.marks.refused,
      roster_pulled_at: this.roster ? new Date(this.roster.pulledAt).toISOString() : null,
    }
  }

  // -- the lesson ---------------------------------------------------------------------------

  private lessons(): Lesson[] | undefined {
    const schedule = this.roster?.schedule
    return schedule && [...(schedule.current_class ? [schedule.current_class] : []), ...schedule.ahead.lessons]
  }

  /** One choice at a time: two that read the disk side by side could open two registers of one lesson. */
  private chooseLesson(reopen: boolean): Promise<void> {
    this.choosing = this.choosing
      .then(() => this.openLesson(reopen))
      .catch((fault: unknown) => {
        this.storageProblem = sentence(fault)
      })
    return this.choosing
  }

  /** Opens the lesson that is on. In mid-lesson a new roster, or the models' arrival, changes who can be known; the register comes back from disk. */
  private async openLesson(reopen: boolean): Promise<void> {
    const schedule = this.roster?.schedule
    const lesson = lessonAt(this.lessons() ?? [], this.now())
    if (!schedule || !lesson) return this.leaveLesson()
    const now = this.inLesson?.lesson
    const same = now?.lesson_id === lesson.lesson_id && now.held_on === lesson.held_on
    if (same && !reopen) return
    if (now && !same) this.takeUpdate()
    this.inLesson = await openInLesson({ schedule, lesson, lapsed: this.roster?.lapsed ?? false, model: this.vision()?.model, store: this.store })
    this.watch()
  }

  private leaveLesson(): void {
    if (!this.inLesson) return
    this.inLesson = undefined
    this.faces = []
    this.greeting = undefined
    this.camera?.close()
    this.camera = undefined
    this.takeUpdate()
  }

  /** A new app is taken between two lessons, also where one follows the other, and never in one. */
  private takeUpdate(): void {
    if (this.updateReady) void this.update?.activate()
  }

  // -- frames -------------------------------------------------------------------------------

  private vision(): Vision | undefined {
    return this.eyes?.state.kind === 'ready' ? this.eyes.state.vision : undefined
  }

  private watch(): void {
    const settings = this.roster?.schedule.settings
    if (!settings || !this.inLesson || !this.vision()) return
    this.camera ??= openCamera({
      fps: settings.camera_fps,
      onState: (state) => {
        if (state !== 'live') this.faces = []
        this.render()
      },
    })
    if (this.watching) return
    this.watching = true
    void this.watchFrames(this.camera).finally(() => {
      this.watching = false
      // The next lesson began, or vision came back, while the last frame was in work.
      this.watch()
    })
  }

  /** One frame in work at a time, and always the newest: the screen never lags behind the person. */
  private async watchFrames(camera: Camera): Promise<void> {
    for (let vision = this.vision(); vision && this.inLesson && camera === this.camera; vision = this.vision()) {
      let frame: ImageBitmap
      try {
        frame = await camera.nextFrame(this.roster?.schedule.settings.frame_skip ?? 0)
      } catch {
        return // closed while it waited
      }
      let seen: SeenFrame
      try {
        seen = await vision.look(frame, performance.now())
      } catch (fault) {
        this.faces = []
        this.eyes?.crashed(vision, fault)
        return
      }
      const taken = await this.inLesson?.take(seen, this.now())
      if (taken) this.tell(seen, taken)
    }
  }

  private tell(seen: SeenFrame, { faces, known, marked, storageFault }: Taken): void {
    this.frameSize = { width: seen.width, height: seen.height }
    this.faces = faces
    this.storageProblem = storageFault === undefined ? undefined : sentence(storageFault)
    this.medians.add(seen)
    const told = this.diagnostics
    told.frames += 1
    told.facesSeen += seen.faces.length
    if (seen.faces.length > 0) told.firstFaceAt ??= performance.now()
    for (const { verdict } of known) {
      if (verdict.kind !== 'unknown') continue
      told.unknownSightings += 1
      if (verdict.first) told.unknownFaces += 1
    }
    for (const { mark, student } of marked) {
      told.marked.push({ studentId: mark.student_id, confidence: mark.confidence, at: performance.now() })
      this.greeting = { studentId: mark.student_id, firstName: student.first_name, markedAt: this.now(), until: this.clock() + GREETING_MS }
      this.sync?.markAdded()
    }
    if (marked.length > 0) void this.countMarks()
    this.render()
  }

  // -- the screen ---------------------------------------------------------------------------

  private place(): Place {
    const schedule = this.roster?.schedule
    return {
      roomName: schedule?.room.name ?? this.pairing.roomId,
      timeZone: schedule?.school.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      now: this.now(),
      badge: {
        connection: this.contact.online ? 'online' : 'offline',
        lastContactAt: this.contact.at ?? this.roster?.pulledAt,
        unsentMarks: this.marks.unsent,
        refusedMarks: this.marks.refused,
        updateReady: this.updateReady,
        storageProblem: this.storageProblem,
      },
    }
  }

  private render(): void {
    this.screen.state = this.state()
    this.diagnostics.model = this.vision()?.model
    this.diagnostics.camera = this.camera?.state ?? 'starting'
    this.screen.diagnostics = this.diagnostics
  }

  private state(): ScreenState {
    if (this.revoked) return { screen: 'revoked' }
    return screenState({
      place: this.place(),
      clock: this.clock(),
      lessons: this.lessons(),
      lapsed: this.roster?.lapsed ?? false,
      outOfDate: this.outOfDate,
      inLesson: this.inLesson,
      eyes: this.eyes?.state ?? { kind: 'loading', what: 'Starting', progress: 0 },
      camera: this.camera,
      faces: this.faces,
      frameSize: this.frameSize,
      greeting: this.greeting,
    })
  }
}

function sentence(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault)
}
