/** Passwords as they are kept: argon2id, slow on purpose. Knows no account. */
import { randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'

/** The package's `Algorithm.Argon2id`: a const enum, which is not there at run time. */
const ARGON2ID = 2

/**
 * OWASP's cheat sheet on password storage (argon2id, 19 MiB, two passes, one lane), written down so that no package's
 * new default changes them. Each hash carries its own, so that they can be raised.
 */
export const PASSWORD_COST = { algorithm: ARGON2ID, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** @returns in PHC format, with its own salt. */
export const hashPassword = (password: string): Promise<string> => hash(password, PASSWORD_COST)

let nobodysHash: Promise<string> | undefined

/** @param kept undefined or null: there is no such account, or it has no password. That takes as long as a wrong one, or names could be found by the time they take. */
export async function passwordIsRight(kept: string | null | undefined, password: string): Promise<boolean> {
  nobodysHash ??= hashPassword(randomBytes(16).toString('hex'))
  const right = await verify(kept ?? (await nobodysHash), password)
  return right && kept !== null && kept !== undefined
}
