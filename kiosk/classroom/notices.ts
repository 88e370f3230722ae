/** What each state that is not a lesson says, and what it tells people to do. */
import type { Notice } from './notice-screen.ts'
import type { ScreenState } from './state.ts'
import { clockTimeFrom } from './zoned-time.ts'

const MEANWHILE = 'Meanwhile use your PIN, or tell the teacher.'

const NO_CAMERA: Record<Extract<ScreenState, { screen: 'no_camera' }>['why'], Notice> = {
  none: {
    symbol: 'camera_off',
    heading: 'No camera found',
    text: MEANWHILE,
    steps: ['Plug the camera in, or its cable back in.', 'Wait a moment: the picture comes by itself.'],
  },
  denied: {
    symbol: 'camera_off',
    heading: 'The camera is not allowed',
    text: MEANWHILE,
    steps: ['Tap the camera sign beside the address.', 'Choose “Allow” for this page.', 'No address in sight? Tell the school office.'],
  },
  lost: {
    symbol: 'camera_off',
    heading: 'The camera is gone',
    text: 'It worked until a moment ago. Everyone already marked stays marked.',
    steps: ['Check the camera’s cable at both ends.', 'Wait a moment: the picture comes back by itself.'],
  },
  black: {
    symbol: 'camera_off',
    heading: 'The camera sees nothing',
    text: 'Its picture is dark. Everyone already marked stays marked.',
    steps: ['Is the lens covered? Is the light on?', 'Check the camera’s cable at both ends.', 'The picture comes back by itself.'],
  },
  frozen: {
    symbol: 'camera_off',
    heading: 'The camera’s picture stands still',
    text: 'It is started again by itself. Everyone already marked stays marked.',
    steps: ['If this stays, pull the camera’s cable out and plug it in again.'],
  },
}

export function noticeFor(state: Exclude<ScreenState, { screen: 'lesson' | 'desk' | 'check' }>): Notice {
  switch (state.screen) {
    case 'not_paired':
      return {
        symbol: 'link',
        heading: 'This screen has no classroom yet',
        text: state.pairing === undefined ? '' : 'Ask the school office for this room’s pairing code and type it here, or open the link that comes with it.',
        problem: state.problem,
        pairing: state.pairing,
      }
    case 'revoked':
      return {
        symbol: 'off',
        heading: 'Switched off by the school office',
        text: 'Names and faces have been removed from this device. To use it again, type a new pairing code from the office.',
        pairing: state.pairing,
      }
    case 'loading':
      return { symbol: 'face', heading: 'Getting ready', text: state.what, progress: state.progress }
    case 'model_failed':
      return {
        symbol: 'again',
        heading: 'Faces cannot be recognised yet',
        text: `${state.retryIn > 0 ? `Next try in ${waiting(state.retryIn)}.` : 'Trying again now.'} ${MEANWHILE}`,
        problem: state.problem,
      }
    case 'no_lesson':
      return noLesson(state)
    case 'no_roster':
      if (state.why === 'behind') {
        return {
          symbol: 'hourglass',
          heading: 'The class list is being renewed',
          text: `Faces are recognised again as soon as the new list has come. ${MEANWHILE}`,
          steps: ['It comes by itself. Everyone already marked stays marked.'],
        }
      }
      return state.why === 'lapsed'
        ? {
            symbol: 'hourglass',
            heading: 'The class list is too old',
            text: `Saved faces expire when the school’s server is out of reach for long. ${MEANWHILE}`,
            steps: ['Check the network cable or the Wi-Fi.', 'The new list comes by itself.'],
          }
        : {
            symbol: 'network',
            heading: 'Waiting for the class list',
            text: 'The school’s server has not answered yet.',
            steps: ['Check the network cable or the Wi-Fi.', 'The list comes by itself.'],
          }
    case 'out_of_date':
      return {
        symbol: 'update',
        heading: 'This screen needs a newer version',
        text: 'It fetches it by itself as soon as it can, and sends every saved mark afterwards. If this stays, tell the school office.',
        problem: state.problem,
      }
    case 'fenced':
      return {
        symbol: 'attention',
        heading: 'Two copies of this screen are in use',
        text: 'Two devices use the same storage, as after an SD card was copied. Every mark made here is kept, and is sent when the office has said which device is the right one.',
        steps: ['Tell the school office; “Kiosks” in the office’s app shows this room.', 'Switch the other device off.', 'Then this screen goes on by itself, within a few minutes.'],
        problem: state.problem,
      }
    case 'no_camera':
      return NO_CAMERA[state.why]
  }
}

function noLesson({ next, place }: Extract<ScreenState, { screen: 'no_lesson' }>): Notice {
  if (!next) return { symbol: 'calendar', heading: 'No lesson now', text: 'Nothing more is planned in this room for now. The camera is off.' }
  const time = clockTimeFrom(place.now, next.startsAt, place.timeZone)
  return { symbol: 'calendar', heading: 'No lesson now', text: 'The camera is off. Next in this room:', next: { time, what: `${next.courseCode} ${next.courseName}` } }
}

function waiting(seconds: number): string {
  if (seconds < 90) return seconds === 1 ? '1 second' : `${seconds} seconds`
  return `${Math.round(seconds / 60)} minutes`
}
