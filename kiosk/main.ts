/**
 * The app's front door: one address for each kind of user, each room loaded only when opened, so that
 * a kiosk never loads the office and a teacher's phone never loads the models.
 */
const ROOMS: Record<string, () => Promise<{ mount(root: HTMLElement): void | Promise<void> }>> = {
  '/kiosk': () => import('./classroom/run.ts'),
  '/office': () => import('./staff/staff-page.ts'),
  '/enrol': () => import('./enrol/enrol-page.ts'),
}

// A page that was open while the app was renewed may ask for a part that is gone: the new app has it.
// Not for the kiosk: it has loaded all it needs, and takes a new app between lessons by itself.
addEventListener('vite:preloadError', () => {
  if (location.pathname !== '/kiosk') location.reload()
})

const room = ROOMS[location.pathname.replace(/\/+$/, '')] ?? ROOMS['/kiosk']!
const { mount } = await room()
await mount(document.body)

