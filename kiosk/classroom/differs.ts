/**
 * Whether plain data handed to an element says anything new. The screen's state is made afresh for
 * every frame; an element whose part of it reads the same must not be drawn again.
 */
export function differs(next: unknown, before: unknown): boolean {
  if (Object.is(next, before)) return false
  if (typeof next !== 'object' || typeof before !== 'object' || next === null || before === null) return true
  if (Array.isArray(next) !== Array.isArray(before)) return true
  const keys = Object.keys(next)
  if (keys.length !== Object.keys(before).length) return true
  return keys.some((key) => !(key in before) || differs(next[key as never], before[key as never]))
}
