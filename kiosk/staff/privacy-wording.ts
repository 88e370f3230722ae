/** How the privacy page says what is on record. Pure. */
import type { ConsentEntry, Forgetting, RetentionSchedule } from '#contract/consent'

export const dayOf = (instant: string, timeZone: string): string => new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone }).format(new Date(instant))

export const momentOf = (instant: string, timeZone: string): string => new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone }).format(new Date(instant))

/** Such as "Maria Berg (mother), on paper". */
export function giverWords({ giver, given_by, relationship, way }: Pick<ConsentEntry, 'giver' | 'given_by' | 'relationship' | 'way'>): string {
  const who = relationship !== '' ? `${given_by} (${relationship})` : giver === 'student' ? `${given_by} (the student)` : given_by
  return way === null ? who : `${who}, ${way === 'paper' ? 'on paper' : 'on screen'}`
}

export const textWords = ({ text: { text_id, version, language } }: Pick<ConsentEntry, 'text'>): string => (text_id === 'own-words' ? 'words of its own' : `${text_id}, version ${version}, ${language}`)

export const KIND_WORDS: Readonly<Record<Forgetting['kind'], string>> = {
  withdrawal: 'Consent withdrawn',
  biometrics: 'Face erased',
  person: 'Person erased',
  retention: 'Time was over',
}

/** Such as "2 of 3 kiosks have confirmed". */
export const confirmedWords = ({ confirmed, kiosks }: Pick<Forgetting, 'confirmed' | 'kiosks'>): string =>
  kiosks.length === 0 ? 'no kiosk was paired' : `${confirmed} of ${kiosks.length} ${kiosks.length === 1 ? 'kiosk has' : 'kiosks have'} confirmed`

export function kioskWords({ how, confirmed_at, last_seen_at }: Forgetting['kiosks'][number], timeZone: string): string {
  switch (how) {
    case 'told':
      return `has confirmed${confirmed_at === null ? '' : `, ${momentOf(confirmed_at, timeZone)}`}`
    case 'lapsed':
      return 'silent for 7 days: its templates have lapsed'
    case 'revoked':
      return 'revoked: it gets nothing any more'
    case null:
      return `not yet; last seen ${last_seen_at === null ? 'never' : momentOf(last_seen_at, timeZone)}. It recognises nobody before it has`
  }
}

export function timeWords({ days, months }: Pick<RetentionSchedule['kinds'][number], 'days' | 'months'>): string {
  if (months !== null) return `${months} months`
  if (days === null) return '—'
  return days === 0 ? 'not at all' : days === 1 ? '1 day' : `${days} days`
}
