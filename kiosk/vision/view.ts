/**
 * What a camera sees, frame after frame: which faces are in view, and on which of them the mesh and the embedding
 * are run in this frame. Knows neither how a frame is read nor who runs the networks.
 *
 * For each frame:
 *   1. read its pixels;
 *   2. where every face in view is settled or watched, and the detector ran a moment ago: follow each by its patch.
 *      If all are found again without doubt, only the watched ones get a mesh, and that was it;
 *   3. else the jobs of faces that are known already begin (near their last mesh) while the detector runs;
 *   4. each detected box continues a track or begins one (tracker.ts); new faces' jobs follow;
 *   5. a mesh that is not on its face, or an embedding of somebody else, is not reported as that track's.
 */
import type { Pixels } from './align.ts'
import type { Crew, OnMeshOf } from './crew.ts'
import type { Detection } from './detection.ts'
import { overlap } from './detection.ts'
import type { Box, Face, FaceOfPhoto, SeenFrame, SeenPhoto, StageTimes, TrackWishes } from './face.ts'
import type { FaceJob, LookedFace } from './look.ts'
import { boxAround } from './mesh.ts'
import { cutPatch, followPatch } from './patch.ts'
import { LIMITS, refuse } from './quality.ts'
import { lookAround } from './scene-cues.ts'
import type { Track } from './tracker.ts'
import { openTracker } from './tracker.ts'

/**
 * Runs of the mesh network. On a photo two, see mesh.ts: time does not matter there, and the template is kept for years. Before the
 * camera one: a face seen before is looked for near its last mesh, which is the second pass already.
 */
export const PASSES_OF_PHOTO = 2
export const PASSES_OF_FRAME = 1

/**
 * While all faces are settled the detector runs on every third frame only: it is most of such a frame's cost, and whoever
 * comes in is found at most two frames later, 0.13 s at 15 frames a second.
 */
export const DETECT_EVERY = 3

/**
 * Undecided faces that are looked at in one frame, and watched ones. Five take 0.1 s on two cores
 * (bench:kiosk; no Pi was measured); thirty would hold the screen up for long. The others wait for their turn.
 */
export const MOST_LOOKS = 6

/**
 * Correlation from which a patch is the same face without doubt. On 351 pairs of neighbouring frames of nine clips of people who talk
 * with their hands: median 0.994, 0.92 in 95 %, 0.78 in 99 %. Between different clips, laid exactly over each other: median 0.61.
 */
export const SURE_LIKENESS = 0.8

/** Overlap that a followed box must have with the detected one. */
const FOLLOWED_OVERLAP = 0.5

/** Overlap that a mesh must have with the detected box to be that face's. */
const MESH_OVERLAP = 0.3

/** Milliseconds after which the face is no more where its mesh was. */
const MESH_FRESH_MS = 300

/** How a frame of this machine is seen; both may be slow. */
export interface Sight<Frame> {
  /** The pixels stand until the next read. */
  read(frame: Frame): Promise<Pixels>
  detect(frame: Frame): Detection[]
}

export interface View<Frame> {
  look(frame: Frame, takenAt: number, wishes: TrackWishes): Promise<SeenFrame>
  /** @param mirror also the embeddings of the mirror images */
  lookAtPhoto(frame: Frame, takenAt: number, mirror: boolean): Promise<SeenPhoto>
}

type Role = 'undecided' | 'watched' | 'settled'

export function openView<Frame>(sight: Sight<Frame>, crew: Crew, stopwatch: () => number): View<Frame> {
  const tracker = openTracker()
  let sinceDetection = 0
  let lastAt = -Infinity
  let photoFaces = 0

  async function look(frame: Frame, takenAt: number, { settled = [], watched = [] }: TrackWishes): Promise<SeenFrame> {
    const start = stopwatch()
    const ms: StageTimes = { detect: 0, align: 0, embed: 0, frame: 0 }
    const pixels = await sight.read(frame)
    const isSettled = new Set(settled)
    const isWatched = new Set(watched)
    const roleOf = ({ id }: Track): Role => (isSettled.has(id) ? 'settled' : isWatched.has(id) ? 'watched' : 'undecided')
    const faces = followAll(pixels, takenAt, roleOf) ? await watchOnly(pixels, takenAt, roleOf, ms) : await detectAll(frame, pixels, takenAt, roleOf, ms)
    lastAt = takenAt
    ms.frame = stopwatch() - start
    return { takenAt, width: pixels.width, height: pixels.height, faces, ms }
  }

  /** Moves every track to where its face is now; false, and nothing moved, where the detector must look. */
  function followAll(pixels: Pixels, at: number, roleOf: (track: Track) => Role): boolean {
    const live = tracker.live(at)
    if (live.length === 0 || sinceDetection >= DETECT_EVERY - 1) return false
    const moved: { track: Track; box: Box }[] = []
    for (const track of live) {
      if (roleOf(track) === 'undecided' || !track.patch || track.seenAt !== lastAt) return false
      const { box, likeness } = followPatch(pixels, track.patch, track.box)
      if (likeness < SURE_LIKENESS) return false
      moved.push({ track, box })
    }
    // The patch is the newest one, for a head turns; the detector, which has the last word, keeps it from drifting off.
    for (const { track, box } of moved) Object.assign(track, { box, seenAt: at, patch: cutPatch(pixels, box) })
    sinceDetection++
    return true
  }

  async function watchOnly(pixels: Pixels, at: number, roleOf: (track: Track) => Role, ms: StageTimes): Promise<Face[]> {
    const live = tracker.live(at)
    const meshed = inTurn(live.filter((track) => roleOf(track) === 'watched' && isFresh(track, at)))
    const scenes: Scenes = new Map()
    const jobs = meshed.map((track) => jobOf(track, 'watched', track.box, track.mesh!.landmarks))
    const looked = await crew.begin(pixels, jobs, lookAroundEach(pixels, meshed, at, scenes)).finish()
    return live.map((track) => {
      const face = looked[meshed.indexOf(track)]
      return face && isOn(face, track.box) ? report(track, face, scenes, at, ms) : onlyFollowed(track)
    })
  }

  async function detectAll(frame: Frame, pixels: Pixels, at: number, roleOf: (track: Track) => Role, ms: StageTimes): Promise<Face[]> {
    sinceDetection = 0
    const known = tracker.live(at).map((track) => ({ track, role: roleOf(track) }))
    const early = [
      ...inTurn(known.flatMap(({ track, role }) => (role === 'undecided' ? [track] : []))),
      ...inTurn(known.flatMap(({ track, role }) => (role === 'watched' ? [track] : []))),
    ].filter((track) => isFresh(track, at))
    const earlyJobs = early.map((track) => jobOf(track, roleOf(track), track.box, track.mesh!.landmarks))
    const scenes: Scenes = new Map()
    const [earlyIds, begun] = [early.map(({ id }) => id), crew.begin(pixels, earlyJobs, lookAroundEach(pixels, early, at, scenes))]

    const detecting = stopwatch()
    const detections = sight.detect(frame)
    const tracks = tracker.assign(detections, at, (track, box) => roleOf(track) !== 'undecided' && isDoubtful(pixels, track, box))
    for (const track of tracks) track.patch = cutPatch(pixels, track.box)
    ms.detect = stopwatch() - detecting

    const late = ['undecided' as const, 'watched' as const].flatMap((role) => {
      const room = MOST_LOOKS - early.filter((track) => roleOf(track) === role).length
      return inTurn(tracks.filter((track) => roleOf(track) === role && !earlyIds.includes(track.id))).slice(0, Math.max(0, room))
    })
    const lateJobs = late.map((track) => jobOf(track, roleOf(track), track.box, detections[tracks.indexOf(track)]!))
    const begunLate = crew.begin(pixels, lateJobs, lookAroundEach(pixels, late, at, scenes))

    const looked = new Map<number, LookedFace>()
    for (const [i, face] of (await begun.finish()).entries()) looked.set(earlyIds[i]!, face)
    for (const [i, face] of (await begunLate.finish()).entries()) looked.set(late[i]!.id, face)
    return tracks.map((track) => {
      const face = looked.get(track.id)
      if (!face) return onlyFollowed(track)
      if (late.includes(track) || isOn(face, track.box)) return report(track, face, scenes, at, ms)
      // A mesh that lost its face; the next one begins at the detector's box.
      track.mesh = undefined
      return onlyFollowed(track)
    })
  }

  function report(track: Track, looked: LookedFace, scenes: Scenes, at: number, ms: StageTimes): Face {
    const face = faceOf(looked, track)
    const scene = scenes.get(track)
    ms.align += looked.ms.align
    ms.embed += looked.ms.embed
    track.looks++
    track.mesh = looked.quality.presence >= LIMITS.presence ? { landmarks: looked.landmarks.slice(), at } : undefined
    track.scene = scene?.memory
    const same = face.embedding === undefined || tracker.addEmbedding(track, face.embedding)
    return { ...face, track: track.id, cues: same ? scene?.cues : undefined }
  }

  async function lookAtPhoto(frame: Frame, takenAt: number, mirror: boolean): Promise<SeenPhoto> {
    const start = stopwatch()
    const pixels = await sight.read(frame)
    const detecting = stopwatch()
    const detections = sight.detect(frame)
    const ms: StageTimes = { detect: stopwatch() - detecting, align: 0, embed: 0, frame: 0 }
    const jobs = detections.map((detection): FaceJob => ({ box: detection.box, near: detection, passes: PASSES_OF_PHOTO, embeddings: mirror ? 'both' : 'crop' }))
    const looked = await crew.begin(pixels, jobs).finish()
    const faces = looked.map((face, i): FaceOfPhoto => {
      ms.align += face.ms.align
      ms.embed += face.ms.embed
      const seen = faceOf(face, detections[i]!)
      return { ...seen, track: --photoFaces, mirrorEmbedding: seen.refused === undefined ? face.mirrorEmbedding : undefined }
    })
    ms.frame = stopwatch() - start
    return { takenAt, width: pixels.width, height: pixels.height, faces, ms }
  }

  return { look, lookAtPhoto }
}

/** What the surroundings said in this frame; it counts once the mesh is known to be on its face. */
type Scenes = Map<Track, ReturnType<typeof lookAround>>

const lookAroundEach =
  (pixels: Pixels, tracks: readonly Track[], at: number, scenes: Scenes): OnMeshOf =>
  (job, landmarks, presence) => {
    const track = tracks[job]
    if (track && presence >= LIMITS.presence) scenes.set(track, lookAround(pixels, landmarks, at, track.scene))
  }

/** Whose turn it is: whoever was looked at least often, then the largest. */
function inTurn(tracks: readonly Track[]): Track[] {
  return [...tracks].sort((one, other) => one.looks - other.looks || other.box.width - one.box.width).slice(0, MOST_LOOKS)
}

const isFresh = ({ mesh }: Track, at: number): boolean => mesh !== undefined && at - mesh.at <= MESH_FRESH_MS

function jobOf(track: Track, role: Role, box: Box, near: FaceJob['near']): FaceJob {
  const embeddings = role !== 'undecided' ? 'none' : track.embeddings % 2 === 0 ? 'crop' : 'mirror'
  return { box, near, passes: PASSES_OF_FRAME, embeddings }
}

const isOn = ({ quality, landmarks }: LookedFace, box: Box): boolean => quality.presence >= LIMITS.presence && overlap(boxAround(landmarks), box) >= MESH_OVERLAP

/** A track that is not embedded is itself only as long as it still looks like itself. */
function isDoubtful(pixels: Pixels, { patch, box: last }: Track, box: Box): boolean {
  if (!patch) return true
  const followed = followPatch(pixels, patch, last)
  return followed.likeness < SURE_LIKENESS || overlap(followed.box, box) < FOLLOWED_OVERLAP
}

/** Its verdict is of the box where the face is now, which a job that began before the detector could not know. */
function faceOf(looked: LookedFace, { box, score }: { box: Box; score: number }): Omit<FaceOfPhoto, 'track' | 'mirrorEmbedding'> {
  const quality = { ...looked.quality, width: box.width }
  const refused = refuse(quality, looked.outside)
  const mirrored = looked.embedding === undefined && looked.mirrorEmbedding !== undefined
  return {
    box,
    score,
    quality,
    refused,
    embedding: refused === undefined ? (looked.embedding ?? looked.mirrorEmbedding) : undefined,
    mirrored,
    landmarks: looked.landmarks,
    cues: undefined,
  }
}

function onlyFollowed({ id, box, score }: Track): Face {
  return { box, score, track: id, quality: undefined, refused: undefined, embedding: undefined, mirrored: false, landmarks: undefined, cues: undefined }
}
