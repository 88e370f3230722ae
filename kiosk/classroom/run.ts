/**
 * Runs a classroom's kiosk: wires camera, vision, attendance, store and sync together and makes the
 * states that the screen shows. Knows no pixel of a face and no letter of SQL; decides nothing about
 * who somebody is (attendance does) and nothing about what a screen looks like (classroom-screen does).
 *
 * From power-on:
 *   1. pair: take the key from the pairing link, or the saved one;
 *   2. adopt the saved roster at once, so that a kiosk without network works; sync replaces it later;
 *   3. where the school's policy needs faces: load the models meanwhile, and again whenever they fail; where it wants none,
 *      neither models nor camera, and none of them stays on this device;
 *   4. every second: which lesson is on? A new one opens its register from disk and a fresh gallery;
 *   5. during a lesson, frame by frame: camera -> vision -> sightings -> register -> disk -> screen; or, where a PIN or a
 *      card says who it is, the camera for that one face alone (face-check.ts).
 * Outside a lesson the camera is off. A policy that has changed comes with the roster and is obeyed at once.
 */
import { v4 as uuidv4 } from 'uuid'
import type { CameraState, Heartbeat } from '#contract/device'
import { type SchoolPolicy, seesFaces, watchesTheRoom } from '#contract/policy'
import type { Lesson } from '#contract/schedule'
import { outlineOf } from '../store/roster.ts'
import { type Pairing, type SavedRoster, type Store, openStore } from '../store/store.ts'
import { type AppUpdate, watchAppUpdate } from '../sync/app-update.ts'
import { type SchoolClock, createSchoolClock } from '../sync/clock.ts'
import { type Sync, startSync } from '../sync/sync.ts'
import { type VisionFiles, watchVisionFiles } from '../sync/vision-files.ts'
import { type Camera, openCamera } from '../vision/camera.ts'
import type { SeenFrame } from '../vision/face.ts'
import type { Vision } from '../vision/vision.ts'
import { type Asking, NOBODY_ASKED, answered, askOn } from './asking.ts'
import './classroom-screen.ts'
import type { ClassroomScreen } from './classroom-screen.ts'
import { type CardPath, openCardPath } from './card-path.ts'
import { type Eyes, openEyes } from './eyes.ts'
import { type FaceCheck, openFaceCheck } from './face-check.ts'
import { type Ask, type InLesson, type MarkedBy, type Taken, openInLesson } from './in-lesson.ts'
import { openScanner } from '../attendance/card-check.ts'
import { lessonAt } from '../attendance/lesson-clock.ts'
import { openPairing } from './pairing-by-code.ts'
import { readPairingLink } from './pairing-link.ts'
import { tellAlive } from './pulse.ts'
import { type PinPath, openPinPath } from './pin-path.ts'
import { screenState } from './screen-state.ts'
import { StageMedians } from './stage-medians.ts'
import type { AskCard, Diagnostics, OutlinedFace, PairingStep, Place, ScreenState, WaitingStudent } from './state.ts'
import { sentence } from './wording.ts'

/** While the roster is behind, its last outlines stay for so long: a pull is faster, and nobody sees it. */
const STANDS_STILL_MS = 2_000
/** Then the screen says so. */
const SAYS_BEHIND_MS = 5_000
/** How long a greeting stays, ms. */
const GREETING_MS = 4_000
/** While nobody is being recognised a card is looked for so often; while somebody is at the keypad or the names, oftener. */
const CARD_EVERY_MS = 1_000
const CARD_SOON_MS = 300
/** A stored mark is kept on the kiosk for so long, so that "who is here" survives a restart. */
const KEEP_STORED_MS = 2 * 24 * 3600_000

declare const __APP_VERSION__: string

export async function mount(root: HTMLElement): Promise<void> {
  const screen = document.createElement('classroom-screen') as ClassroomScreen
  root.append(screen)
  tellAlive(() => screen.state?.screen)
  try {
    await startKiosk(screen, { wall: () => Date.now(), monotonic: () => performance.now(), life: uuidv4() })
  } catch (fault) {
    // The disk cannot be opened at all: nothing can be kept, so nothing may be shown as marked.
    screen.state = { screen: 'not_paired', problem: sentence(fault), pairing: undefined }
  }
}

async function startKiosk(screen: ClassroomScreen, clocks: Omit<Parameters<typeof createSchoolClock>[0], 'savedOffsetMs'>): Promise<void> {
  screen.state = { screen: 'loading', place: undefined, progress: 0, what: 'Starting', pin: undefined }
  addEventListener('hashchange', () => location.reload(), { once: true })
  const store = await openStore()
  const link = readPairingLink(location.hash)
  if (link.kind === 'pairing') await store.savePairing(link.pairing)
  // The key must not stay in the address bar, in the history or in a screenshot.
  if (link.kind !== 'none') history.replaceState(null, '', location.pathname)
  const byCode = openPairing({ store, appVersion: __APP_VERSION__, onStep: (step) => showStep(step), onPaired: () => location.reload() })
  screen.addEventListener('pairing-code-entered', (event) => void byCode.take((event as CustomEvent<{ code: string }>).detail.code))
  let step: PairingStep = { busy: false, problem: link.kind === 'broken' ? link.problem : undefined }
  let showStep = (now: PairingStep): void => {
    step = now
    screen.state = { screen: 'not_paired', problem: undefined, pairing: step }
  }
  // A trade that a power cut broke off is made again, for the same key.
  const code = link.kind === 'code' ? link.code : (await store.savedPairingTry())?.code
  if (code !== undefined && (await byCode.take(code))) return
  const pairing = await store.savedPairing()
  const clock = createSchoolClock({ ...clocks, savedOffsetMs: await store.savedClockOffset() })
  if (!pairing) return showStep(step)
  const kiosk = new Kiosk(screen, clock, store, pairing)
  showStep = (now) => kiosk.showPairing(now)
  await kiosk.start()
}

class Kiosk {
  private sync: Sync | undefined
  private update: AppUpdate | undefined
  private eyes: Eyes | undefined
  private camera: Camera | undefined
  private watching = false
  /** Without templates, PINs and cards: those are in the store, and in `inLesson` while it is on. */
  private roster: SavedRoster | undefined
  private inLesson: InLesson | undefined
  private choosing = Promise.resolve()
  private revoked = false
  private pairingStep: PairingStep = { busy: false, problem: undefined }
  private outOfDate: string | undefined
  /** Two copies of this storage are in use: what the server says of it. */
  private fenced: string | undefined
  /** [Note: Behind] Since when nobody is to be recognised, on the clock that nobody sets; undefined: the roster is the newest. */
  private behindSince: number | undefined
  private updateReady = false
  private contact: { online: boolean; at: number | undefined } = { online: false, at: undefined }
  private marks = { unsent: 0, refused: 0 }
  private storageProblem: string | undefined
  private faces: OutlinedFace[] = []
  private frameSize = { width: 1280, height: 720 }
  private greeting: { studentId: string; firstName: string; markedAt: number; until: number } | undefined
  private asking: Asking = NOBODY_ASKED
  private pinPath: PinPath | undefined
  private cardPath: CardPath | undefined
  private faceCheck: FaceCheck | undefined
  private readonly visionFiles: VisionFiles = watchVisionFiles()
  /** When a card was last looked for, and whether a face of the newest frame was being recognised. */
  private cardSought = { at: -Infinity, busy: false }
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
    camera: 'off',
    tensors: undefined,
  }

  constructor(
    private readonly screen: ClassroomScreen,
    private readonly clock: SchoolClock,
    private readonly store: Store,
    private readonly pairing: Pairing,
  ) {}

  async start(): Promise<void> {
    await this.store.sweepMarks(new Date(this.now() - KEEP_STORED_MS).toISOString().slice(0, 10))
    this.marks = await this.store.countMarks()
    this.pinPath = await openPinPath({
      store: this.store,
      now: () => this.now(),
      moment: () => this.clock.moment(),
      lesson: () => this.inLesson,
      confirms: (student) => this.confirmsByFace(student, 'pin'),
      onMarked: (marked, fromFace) => {
        this.greet(marked)
        if (fromFace) this.answer(fromFace.track, 'yes')
      },
      onChange: () => this.render(),
    })
    this.openWaysWithoutSearch()
    this.hearScreen()
    this.hearScanner()
    const saved = await this.store.savedRoster(this.now())
    if (saved) await this.adoptRoster(outlineOf(saved))
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

  /** What marks are made by and the screen shows: the school's time. What waits is counted on the clock that nobody sets. */
  private now(): number {
    return this.clock.now()
  }

  private async tick(): Promise<void> {
    this.diagnostics.ms = this.medians.all()
    if (this.greeting && this.clock.monotonic() > this.greeting.until) this.greeting = undefined
    await this.chooseLesson(false)
    this.pinPath?.tick()
    this.cardPath?.tick()
    this.faceCheck?.tick()
    this.ask([])
    this.render()
  }

  /** How a code that was typed at a revoked kiosk goes. */
  showPairing(step: PairingStep): void {
    this.pairingStep = step
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
      onContact: ({ online, at, serverAppVersion }) => {
        this.contact = { online, at }
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
      onBehind: (behind) => {
        this.behindSince = behind ? this.clock.monotonic() : undefined
        this.render()
      },
      onMarksSettled: () => void this.countMarks(),
      // Some of them may be in another lesson now, perhaps in the one that is on.
      onMarksRedated: () => void this.chooseLesson(true).then(() => this.countMarks()),
      onFenced: (problem) => {
        this.fenced = problem
        this.render()
      },
    })
  }

  private async adoptRoster(roster: SavedRoster): Promise<void> {
    this.revoked = false
    this.outOfDate = undefined
    this.fenced = undefined
    this.roster = roster
    this.obeyPolicy(roster.schedule.settings.policy)
    await this.chooseLesson(true)
  }

  private policy(): SchoolPolicy {
    return this.roster?.schedule.settings.policy ?? 'default'
  }

  /** What the policy does not need is let go of at once, also in mid-lesson; what it needs is loaded, and kept for the next power-on. */
  private obeyPolicy(policy: SchoolPolicy): void {
    const settled = this.visionFiles.want(seesFaces(policy))
    if (!watchesTheRoom(policy)) this.closeCamera()
    if (policy !== 'verify-only') this.faceCheck?.close()
    if (seesFaces(policy)) void settled.then(() => this.openEyes())
    else {
      this.eyes?.close()
      this.eyes = undefined
    }
  }

  /** The policy may have changed while the models were fetched. */
  private openEyes(): void {
    if (!seesFaces(this.policy())) return
    this.eyes ??= openEyes({ clock: this.clock.monotonic, onState: ({ kind }) => (kind === 'ready' ? void this.chooseLesson(true) : this.render()) })
  }

  private closeCamera(): void {
    this.camera?.close()
    this.camera = undefined
    this.faces = []
    this.asking = NOBODY_ASKED
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
      camera: this.cameraState(),
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
    const lesson = lessonAt(this.lessons() ?? [], this.now())
    if (!lesson) return this.leaveLesson()
    const now = this.inLesson?.lesson
    const same = now?.lesson_id === lesson.lesson_id && now.held_on === lesson.held_on
    if (same && !reopen) return
    if (!same) this.forgetQuestions()
    if (now && !same) this.takeUpdate()
    const saved = await this.store.savedRoster(this.now())
    if (!saved) return this.leaveLesson()
    const opened = await openInLesson({ schedule: saved.schedule, lesson, lapsed: saved.lapsed, model: this.vision()?.model, store: this.store })
    this.inLesson?.forget()
    this.inLesson = opened
    this.watch()
  }

  private leaveLesson(): void {
    if (!this.inLesson) return
    this.inLesson.forget()
    this.inLesson = undefined
    this.faces = []
    this.greeting = undefined
    this.forgetQuestions()
    this.closeCamera()
    this.faceCheck?.close()
    this.cardPath?.close()
    this.takeUpdate()
  }

  private forgetQuestions(): void {
    this.asking = NOBODY_ASKED
    this.pinPath?.close()
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
    if (!settings || !watchesTheRoom(settings.policy) || !this.inLesson || !this.vision()) return
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
        const takenAt = performance.now()
        seen = await vision.look(frame, takenAt, this.inLesson?.wishes(takenAt), this.seeksCard(takenAt) ? 'too' : undefined)
      } catch (fault) {
        this.faces = []
        this.eyes?.crashed(vision, fault)
        return
      }
      // The policy may have closed it while the frame was in work: then nobody is searched for in it any more.
      if (camera !== this.camera) return
      if (this.behindSince === undefined) {
        const taken = await this.inLesson?.take(seen, this.clock.moment())
        if (taken) this.tell(seen, taken)
      } else this.rest(seen)
      if (seen.card !== undefined) void this.showCard(seen.card, 'camera')
    }
  }

  /** [Note: Behind] For as long as a pull takes the screen stands still; then nothing is left on it of whom a newer roster may not know. */
  private rest(seen: SeenFrame): void {
    this.diagnostics.frames += 1
    this.diagnostics.facesSeen += seen.faces.length
    if (!this.isBehindFor(STANDS_STILL_MS)) return
    this.faces = []
    this.asking = NOBODY_ASKED
    this.faceCheck?.close()
    this.render()
  }

  private isBehindFor(ms: number): boolean {
    return this.behindSince !== undefined && this.clock.monotonic() - this.behindSince >= ms
  }

  private tell(seen: SeenFrame, { faces, known, marked, asks, doubted, storageFault }: Taken): void {
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
    this.cardSought.busy = known.some(({ verdict }) => verdict.kind === 'looking' || verdict.kind === 'challenge')
    for (const one of marked) this.greet(one)
    // A doubted mark is unsent again, and goes the way of a new one.
    for (let i = 0; i < doubted; i++) this.sync?.markAdded()
    if (doubted > 0) void this.countMarks()
    this.ask(asks)
    this.render()
  }

  /** What is on the disk is shown and sent. */
  private greet({ mark, student }: Taken['marked'][number]): void {
    this.diagnostics.marked.push({ studentId: mark.student_id, method: mark.method, confidence: mark.confidence, at: performance.now() })
    this.greeting = { studentId: mark.student_id, firstName: student.first_name, markedAt: this.now(), until: this.clock.monotonic() + GREETING_MS }
    this.sync?.markAdded()
    void this.countMarks()
    // A roster that came while the mark was on its way to the disk opened the register without it.
    if (!this.inLesson?.present().some(({ studentId }) => studentId === mark.student_id)) void this.chooseLesson(true)
  }

  // -- PIN and card -------------------------------------------------------------------------

  private openWaysWithoutSearch(): void {
    this.faceCheck = openFaceCheck({
      clock: this.clock.monotonic,
      moment: () => this.clock.moment(),
      lesson: () => this.inLesson,
      vision: () => this.vision(),
      openCamera: (onState) => openCamera({ fps: this.roster?.schedule.settings.camera_fps ?? 15, onState }),
      onMarked: (marked) => this.greet(marked),
      onDoubted: () => {
        this.sync?.markAdded()
        void this.countMarks()
      },
      onCard: (text) => void this.showCard(text, 'camera'),
      onSeen: (seen) => {
        this.medians.add(seen)
        this.diagnostics.frames += 1
        this.diagnostics.facesSeen += seen.faces.length
      },
      onCrash: (vision, fault) => this.eyes?.crashed(vision, fault),
      onChange: () => this.render(),
    })
    this.cardPath = openCardPath({
      clock: this.clock.monotonic,
      moment: () => this.clock.moment(),
      lesson: () => this.inLesson,
      faceOf: (studentId) => {
        const ask = this.asking.asked?.ask
        return ask?.candidates.includes(studentId) ? { track: ask.track, score: ask.score } : undefined
      },
      confirms: (student) => this.confirmsByFace(student, 'qr'),
      onMarked: (marked, track) => {
        this.greet(marked)
        if (track !== undefined) this.answer(track, 'yes')
      },
      onChange: () => this.render(),
    })
  }

  /** Who has no face on record is marked by the PIN or the card alone: that way is as good. */
  private confirmsByFace(student: WaitingStudent, by: 'pin' | 'qr'): boolean {
    return this.policy() === 'verify-only' && this.behindSince === undefined && this.faceCheck?.start(student, by) === true
  }

  private async showCard(text: string, by: 'scanner' | 'camera'): Promise<void> {
    if ((await this.cardPath?.show(text, by)) !== 'read') return
    // The keypad or the camera was open for somebody who has said by card who they are.
    this.pinPath?.close()
    if (this.faceCheck?.panel.step === 'card') this.faceCheck.close()
  }

  /** A scanner types like a keyboard, whatever is on the screen. */
  private hearScanner(): void {
    const scanner = openScanner()
    window.addEventListener(
      'keydown',
      (event) => {
        const text = scanner.press(event.key, event.timeStamp)
        if (text === undefined || !this.inLesson) return
        // The Enter that ends it is not for the keypad, nor for a button.
        event.preventDefault()
        event.stopImmediatePropagation()
        void this.showCard(text, 'scanner')
      },
      true,
    )
  }

  private seeksCard(now: number): boolean {
    const { at, busy } = this.cardSought
    const atKeypad = this.pinPath?.panel.step === 'names' || this.pinPath?.panel.step === 'digits'
    if (!this.inLesson?.cards || (busy && !atKeypad) || now - at < (atKeypad ? CARD_SOON_MS : CARD_EVERY_MS)) return false
    this.cardSought.at = now
    return true
  }

  private cameraState(): CameraState {
    return this.policy() === 'verify-only' ? (this.faceCheck?.cameraState ?? 'off') : (this.camera?.state ?? 'off')
  }

  // -- who are you? -------------------------------------------------------------------------

  private hearScreen(): void {
    const hear = <T>(type: string, act: (detail: T) => void) => this.screen.addEventListener(type, (event) => act((event as CustomEvent<T>).detail))
    hear<undefined>('pin-opened', () => this.pinPath?.open())
    hear<{ studentId: string }>('pin-name-picked', ({ studentId }) => this.pinPath?.pick(studentId))
    hear<{ pin: string }>('pin-entered', ({ pin }) => void this.pinPath?.enter(pin))
    hear<undefined>('pin-back', () => this.pinPath?.back())
    hear<undefined>('pin-closed', () => {
      this.pinPath?.close()
      this.cardPath?.close()
    })
    hear<undefined>('card-wanted', () => this.faceCheck?.showCard())
    hear<undefined>('check-again', () => this.faceCheck?.again())
    hear<undefined>('check-closed', () => this.faceCheck?.close())
    hear<undefined>('pin-touched', () => this.pinPath?.touch())
    hear<{ track: number; studentId: string }>('student-confirmed', ({ track, studentId }) => void this.confirm(track, studentId))
    hear<{ track: number }>('student-denied', ({ track }) => this.answer(track, 'no'))
  }

  private ask(asks: Ask[]): void {
    const here = new Set(this.inLesson?.present().map(({ studentId }) => studentId))
    this.asking = askOn(this.asking, { asks, faces: this.faces, here }, this.clock.monotonic())
  }

  private answer(track: number, said: 'yes' | 'no'): void {
    this.asking = answered(this.asking, track, said, this.clock.monotonic())
    this.render()
  }

  /** A tap on one's own name is enough where faces are told apart; look-alikes go on to the keypad. */
  private async confirm(track: number, studentId: string): Promise<void> {
    const ask = this.asking.asked?.ask
    if (!ask || ask.track !== track || !ask.candidates.includes(studentId)) return
    if (ask.needs === 'pin') {
      this.pinPath?.pick(studentId, { track, score: ask.score })
      // Who has no PIN is sent to the teacher, and not asked again at once.
      if (this.pinPath?.panel.step === 'see_teacher') this.answer(track, 'no')
      return
    }
    // The likeness behind the question is of a roster that may not count any more.
    if (this.behindSince !== undefined) return
    const by: MarkedBy | undefined = await this.inLesson?.markBy({ studentId, method: 'face_and_tap', confidence: ask.score, ...this.clock.moment() }, track)
    if (by?.kind === 'not_saved') this.storageProblem = sentence(by.fault)
    if (by?.kind === 'marked') this.greet(by)
    if (by && by.kind !== 'not_saved') this.answer(track, 'yes')
    this.render()
  }

  private askCard(): AskCard | undefined {
    const ask = this.asking.asked?.ask
    const waiting = this.inLesson?.waiting() ?? []
    const candidates = ask?.candidates.flatMap((id) => waiting.filter(({ studentId }) => studentId === id)) ?? []
    return ask && candidates.length > 0 ? { track: ask.track, candidates, needs: ask.needs } : undefined
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
        fenced: this.fenced !== undefined,
      },
    }
  }

  private render(): void {
    this.screen.state = this.state()
    this.diagnostics.model = this.vision()?.model
    this.diagnostics.camera = this.cameraState()
    this.diagnostics.tensors = this.vision()?.tensors
    this.screen.diagnostics = this.diagnostics
  }

  private state(): ScreenState {
    if (this.revoked) return { screen: 'revoked', pairing: this.pairingStep }
    return screenState({
      place: this.place(),
      clock: this.clock.monotonic(),
      lessons: this.lessons(),
      lapsed: this.roster?.lapsed ?? false,
      behind: this.isBehindFor(SAYS_BEHIND_MS),
      outOfDate: this.outOfDate,
      fenced: this.fenced,
      inLesson: this.inLesson,
      eyes: this.eyes?.state ?? { kind: 'loading', what: 'Starting', progress: 0 },
      camera: this.camera,
      faces: this.faces,
      frameSize: this.frameSize,
      greeting: this.greeting,
      ask: this.askCard(),
      pin: this.pinPath?.panel ?? { step: 'closed' },
      card: this.cardPath?.panel ?? { step: 'closed' },
      policy: this.policy(),
      check: this.faceCheck?.panel ?? { step: 'closed' },
    })
  }
}
