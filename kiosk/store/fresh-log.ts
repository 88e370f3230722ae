/**
 * Makes Chromium begin a new log for this origin's IndexedDB, at every start before anything is written. Knows no mark.
 *
 * [Note: A torn log] Chromium's IndexedDB lies in a LevelDB that appends to its last log again after a power cut, behind a
 * record that the cut may have torn. The next start reads torn bytes in the middle of a log, calls it corrupt, and throws away all
 * that the origin has stored: found by killing the browser while it saved (one start in about seventy), made at will by taking
 * the last 7 bytes off the log (e2e/store.test.ts). Deleting a database makes LevelDB compact, and that begins a new log; so one is kept
 * for being deleted. It compacts in the background: what stays is the moment from this deletion's own record to the new log, some milliseconds,
 * and on a busy machine some hundred; a second power cut in that moment still costs all.
 */
import { deleteDB, openDB } from 'idb'

export async function beginFreshLog(name: string): Promise<void> {
  const spare = `${name}-spare`
  const make = async (): Promise<void> => (await openDB(spare, 1, { upgrade: (db) => void db.createObjectStore('nothing') })).close()
  try {
    if ((await indexedDB.databases()).every((database) => database.name !== spare)) await make()
    await deleteDB(spare)
    await make()
  } catch {
    // A browser that cannot do this cannot open the storage either: opening it says so, in words for the screen.
  }
}
