/**
 * The app's front door: one address for each kind of user, each room loaded only when opened, so that
 * a kiosk never loads the office and a teacher's phone never loads the models.
 */
const ROOMS: Record<string, () => Promise<{ mount(root: HTMLElement): void | Promise<void> }>> = {
  '/kiosk': () => import('./classroom/run.ts'),
  '/office': () => import('./staff/staff-page.ts'),
  '/enrol': () => import('./enrol/enrol-page.ts'),
}

const room = ROOMS[location.pathname.replace(/\/+$/, '')] ?? ROOMS['/kiosk']!
const { mount } = await room()
await mount(document.body)

