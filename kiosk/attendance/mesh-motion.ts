/**
 * How much of a mesh's motion a plane cannot make. Two meshes of one face are mapped onto each other by the best
 * plane-to-plane mapping (homography; direct linear transform, Hartley and Zisserman, Multiple View Geometry,
 * 2nd ed., chapter 4); what remains is depth or expression, and the network's own unrest. Pure.
 */

/** Every fourth point says as much as all of them: the mesh is smooth. */
const EVERY = 4

/**
 * x and y of every fourth point, centred, mean distance from the centre 1. Small, and all that is kept of a mesh: kept for
 * seconds, whole meshes would grow old in memory by 9 MB a minute.
 * @param landmarks 468 x 3
 */
export function shapeOf(landmarks: Float32Array): Float64Array {
  const points = new Float64Array(2 * Math.ceil(landmarks.length / 3 / EVERY))
  const count = points.length / 2
  let [x, y] = [0, 0]
  for (let i = 0; i < count; i++) {
    points[2 * i] = landmarks[3 * EVERY * i]!
    points[2 * i + 1] = landmarks[3 * EVERY * i + 1]!
    x += points[2 * i]! / count
    y += points[2 * i + 1]! / count
  }
  let spread = 0
  for (let i = 0; i < count; i++) spread += Math.hypot(points[2 * i]! - x, points[2 * i + 1]! - y) / count
  for (let i = 0; i < count; i++) {
    points[2 * i] = (points[2 * i]! - x) / spread
    points[2 * i + 1] = (points[2 * i + 1]! - y) / spread
  }
  return points
}

/** Gauss with pivots, in place; undefined where the rows do not determine the answer. */
function solved(rows: Float64Array[]): number[] | undefined {
  const n = rows.length
  for (let i = 0; i < n; i++) {
    let pivot = i
    for (let row = i + 1; row < n; row++) if (Math.abs(rows[row]![i]!) > Math.abs(rows[pivot]![i]!)) pivot = row
    if (!(Math.abs(rows[pivot]![i]!) > 1e-10)) return undefined
    ;[rows[i], rows[pivot]] = [rows[pivot]!, rows[i]!]
    for (let row = i + 1; row < n; row++) {
      const factor = rows[row]![i]! / rows[i]![i]!
      for (let j = i; j <= n; j++) rows[row]![j]! -= factor * rows[i]![j]!
    }
  }
  const answer = Array.from({ length: n }, () => 0)
  for (let i = n - 1; i >= 0; i--) {
    let sum = rows[i]![n]!
    for (let j = i + 1; j < n; j++) sum -= rows[i]![j]! * answer[j]!
    answer[i] = sum / rows[i]![i]!
  }
  return answer
}

/**
 * @param from, to shapes of an earlier and a later mesh
 * @returns root mean square of what the best homography leaves, as a share of the mesh's size (mean distance of its points from their
 * centre); 0 where there is no mapping at all.
 */
export function beyondPlane(from: Float64Array, to: Float64Array): number {
  const rows = Array.from({ length: 8 }, () => new Float64Array(9))
  const add = (numbers: readonly number[], target: number): void => {
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) rows[i]![j]! += numbers[i]! * numbers[j]!
      rows[i]![8]! += numbers[i]! * target
    }
  }
  for (let i = 0; i < from.length; i += 2) {
    const [x, y, u, v] = [from[i]!, from[i + 1]!, to[i]!, to[i + 1]!]
    add([x, y, 1, 0, 0, 0, -x * u, -y * u], u)
    add([0, 0, 0, x, y, 1, -x * v, -y * v], v)
  }
  const h = solved(rows)
  if (!h) return 0
  let sum = 0
  for (let i = 0; i < from.length; i += 2) {
    const [x, y] = [from[i]!, from[i + 1]!]
    const w = h[6]! * x + h[7]! * y + 1
    sum += ((h[0]! * x + h[1]! * y + h[2]!) / w - to[i]!) ** 2 + ((h[3]! * x + h[4]! * y + h[5]!) / w - to[i + 1]!) ** 2
  }
  return Math.sqrt(sum / (from.length / 2))
}
