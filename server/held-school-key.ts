/** The school's key for a command, as the server has it. Never makes one: under another key nothing opens. */
import { existsSync } from 'node:fs'
import type { Config } from './config.ts'
import { openSchoolKey } from './school-key.ts'
import type { SchoolKey } from './school-key.ts'
import { ensureSecrets, secretsPath } from './secrets.ts'

/** One line for a person. */
export class SchoolKeyMissing extends Error {
  override name = 'SchoolKeyMissing'
}

/** SCHOOL_KEY, else DATA_DIR's secrets.json. `needs`: how the refusal of a missing one begins. @throws SchoolKeyMissing, DataDirRefused */
export async function heldSchoolKey({ schoolKey, schoolKeyBefore, dataDir }: Pick<Config, 'schoolKey' | 'schoolKeyBefore' | 'dataDir'>, needs = 'this needs'): Promise<SchoolKey> {
  if (schoolKey !== undefined) return openSchoolKey(schoolKey, schoolKeyBefore)
  if (!existsSync(secretsPath(dataDir))) throw new SchoolKeyMissing(`${needs} the school's key: set SCHOOL_KEY (or SCHOOL_KEY_FILE) as the server has it, or DATA_DIR to the folder of its secrets.json`)
  return openSchoolKey((await ensureSecrets(dataDir)).schoolKey, schoolKeyBefore)
}
