/** Rooms, kiosks, what needs a person, what was set aside; and what monitors and readers of this document ask. */
import { z } from 'zod'
import { DeviceId, RoomId } from '#contract/ids'
import { Kiosk, Kiosks, Operations } from '#contract/kiosks'
import { Room, RoomRequest, Rooms } from '#contract/rooms'
import { DismissedAnswer, RecordedAnswer, RecordRequest, SetAsideList, SetAsideQuery } from '#contract/set-aside'
import { RowNumber } from '../routes/kiosks.ts'
import { EVERYBODY, OFFICE, STAFF } from './operation.ts'
import type { Operation } from './operation.ts'

const kiosk = z.object({ device_id: DeviceId })
const setAside = z.object({ id: RowNumber })

export const SCHOOL: readonly Operation[] = [
  { method: 'get', path: '/api/v1/rooms', summary: 'The rooms', who: STAFF, answers: { 200: { says: 'By id.', schema: Rooms } }, example: {} },
  { method: 'put', path: '/api/v1/rooms/{room_id}', summary: 'What a room does about pictures held before its camera', who: OFFICE, params: z.object({ room_id: RoomId }), body: RoomRequest, answers: { 200: { says: 'The room as it now is.', schema: Room } }, problems: ['not_found'], example: { params: { room_id: 'LAB-301' }, body: { liveness: 'require' } } },
  { method: 'get', path: '/api/v1/kiosks', summary: 'How each kiosk is', who: OFFICE, answers: { 200: { says: 'By room and device.', schema: Kiosks } }, example: {} },
  { method: 'post', path: '/api/v1/kiosks/{device_id}/alarms/{alarm_id}/close', summary: 'Somebody has looked at an alarm', who: OFFICE, params: kiosk.extend({ alarm_id: RowNumber }), answers: { 200: { says: 'The kiosk as it now is.', schema: Kiosk } }, problems: ['not_found', 'conflict'] },
  { method: 'post', path: '/api/v1/kiosks/{device_id}/clear-fence', summary: 'Of two copies of a kiosk\'s storage this one is right', who: OFFICE, params: kiosk, answers: { 200: { says: 'The kiosk as it now is.', schema: Kiosk } }, problems: ['not_found'] },
  { method: 'post', path: '/api/v1/kiosks/{device_id}/revoke', summary: 'Revoke a kiosk\'s key', more: 'Its next request is answered 401, and it forgets its roster.', who: OFFICE, params: kiosk, answers: { 200: { says: 'The kiosk as it now is.', schema: Kiosk } }, problems: ['not_found'] },
  { method: 'post', path: '/api/v1/kiosks/{device_id}/want-key', summary: 'Ask a kiosk for another key', who: OFFICE, params: kiosk, answers: { 200: { says: 'The kiosk as it now is.', schema: Kiosk } }, problems: ['not_found', 'conflict'] },
  { method: 'get', path: '/api/v1/operations', summary: 'The server\'s own work in figures', who: OFFICE, answers: { 200: { says: 'What a person, or a monitor, should look at.', schema: Operations } }, example: {} },
  { method: 'get', path: '/api/v1/set-aside', summary: 'Records that were refused for good', more: 'The next page is asked for with the last `set_aside_id` as `before`.', who: OFFICE, query: SetAsideQuery, answers: { 200: { says: 'The open ones, the newest first.', schema: SetAsideList } }, example: { query: { limit: '20' } } },
  { method: 'post', path: '/api/v1/set-aside/{id}/record', summary: 'Record one after all', who: OFFICE, params: setAside, body: RecordRequest, answers: { 200: { says: 'It is on record.', schema: RecordedAnswer } }, problems: ['not_found', 'conflict'] },
  { method: 'post', path: '/api/v1/set-aside/{id}/dismiss', summary: 'Dismiss one', who: OFFICE, params: setAside, answers: { 200: { says: 'It is dismissed.', schema: DismissedAnswer } }, problems: ['not_found', 'conflict'] },
  { method: 'get', path: '/livez', summary: 'Whether the process lives', who: EVERYBODY, answers: { 200: { says: 'It does.', schema: z.object({ status: z.literal('alive') }), example: { status: 'alive' } } }, example: {} },
  { method: 'get', path: '/readyz', summary: 'Whether it can take marks', who: EVERYBODY, answers: { 200: { says: 'It can.', schema: z.object({ status: z.literal('ready') }), example: { status: 'ready' } } }, example: {} },
  { method: 'get', path: '/health', summary: 'Whether it can do all its work', who: EVERYBODY, answers: { 200: { says: 'It can.', schema: z.object({ status: z.literal('healthy') }), example: { status: 'healthy' } } }, example: {} },
  { method: 'get', path: '/metrics', summary: 'The school\'s figures for Prometheus', who: ['monitor', 'script'], answers: { 200: { says: 'Prometheus\' text.', type: 'text/plain' } } },
  {
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    who: EVERYBODY,
    headers: { 'If-None-Match': 'The ETag of the document that is held.' },
    answers: { 200: { says: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }), headers: { ETag: 'Names this document.' } }, 304: { says: 'It is the one that is held.', headers: { ETag: 'As it was sent.' } } },
  },
  { method: 'get', path: '/docs', summary: 'This document as a page on which every request can be tried', who: EVERYBODY, answers: { 200: { says: 'The page.', type: 'text/html' } } },
  {
    method: 'get',
    path: '/docs/{file}',
    summary: 'What the page is made of',
    who: EVERYBODY,
    params: z.object({ file: z.enum(['start.js', 'swagger-ui-bundle.js', 'swagger-ui.css']) }),
    headers: { 'If-None-Match': 'The ETag of the file that is held.' },
    answers: { 200: { says: 'The file.', type: ['text/javascript', 'text/css'], headers: { ETag: 'Names this file.' } }, 304: { says: 'It is the one that is held.', headers: { ETag: 'As it was sent.' } } },
    problems: ['not_found'],
  },
]
