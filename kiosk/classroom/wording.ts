/** Words that stand in more than one place of the screen. */
import type { Hint } from './held-hint.ts'

/** What went wrong, in the machine's own words. */
export function sentence(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault)
}

export const HINT_WORDS: Record<Hint, string> = {
  come_closer: 'Come closer',
  look_here: 'Look here',
  more_light: 'More light',
  hold_still: 'Hold still',
  show_eyes: 'Show your eyes',
  show_mouth: 'Show your mouth',
  turn_left: 'Turn your head a little to your left',
  turn_right: 'Turn your head a little to your right',
  use_pin: 'Could not check you: use your PIN, or ask your teacher',
}
