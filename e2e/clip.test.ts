import { createServer, type Server } from 'node:http'
import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { cutFrames, drifting, held, photoOnCanvas, plainFrame, readClip, readPicture, readY4m, stillsToY4m, toJpeg, type Frame } from './clip.ts'

let folder: string
let server: Server
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastrackai-clip-'))
  server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>page</title>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const kept: T[] = []
  for await (const item of items) kept.push(item)
  return kept
}

const pixel = ({ data, width }: Frame, x: number, y: number) => Array.from(data.slice((y * width + x) * 4, (y * width + x) * 4 + 3))
const farthest = (a: number[], b: number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))

/** A photo of 100 x 100 with a red square of 20 around (60, 30) as its "face". */
const photo = () =>
  sharp({ create: { width: 100, height: 100, channels: 3, background: { r: 40, g: 90, b: 200 } } })
    .composite([{ input: { create: { width: 20, height: 20, channels: 3, background: { r: 220, g: 40, b: 40 } } }, left: 50, top: 20 }])
    .png()
    .toBuffer()

describe('a clip', () => {
  test('gives back the plain pictures it was made of, in order, within the rounding of its colours', async () => {
    const channel = fc.integer({ min: 0, max: 255 })
    const colour = fc.record({ r: channel, g: channel, b: channel })
    const size = fc.record({ width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }) }).map(({ width, height }) => ({ width: width * 2, height: height * 2 }))
    await fc.assert(
      fc.asyncProperty(size, fc.array(colour, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 3 }), async (canvas, colours, everyN) => {
        const file = join(folder, 'plain.y4m')
        await stillsToY4m(file, colours.map((one) => plainFrame(canvas, one)), 15)
        const read = await all(readY4m(file, everyN))
        const kept = colours.filter((_, i) => i % everyN === 0)
        expect(read).toHaveLength(kept.length)
        read.forEach((frame, i) => {
          expect([frame.width, frame.height]).toEqual([canvas.width, canvas.height])
          expect(farthest(pixel(frame, canvas.width - 1, canvas.height - 1), Object.values(kept[i]!))).toBeLessThanOrEqual(4)
        })
      }),
    )
  })

  test('comes out of the real camera in the colours it was made of', async () => {
    const file = join(folder, 'camera.y4m')
    const frame = await photoOnCanvas(await photo(), { faceWidth: 100, face: { x: 60, y: 30, width: 20 } })
    await stillsToY4m(file, drifting(frame, 30), 15)
    const context = await launchChromium({ camera: file })
    try {
      const page = context.pages()[0]!
      await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
      const seen = await page.evaluate(async () => {
        const video = document.createElement('video')
        video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true })
        await video.play()
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext('2d')!
        canvas.drawImage(video, 0, 0)
        const at = (x: number, y: number) => Array.from(canvas.getImageData(x, y, 1, 1).data.slice(0, 3))
        return { size: [video.videoWidth, video.videoHeight], face: at(320, 240), beside: at(220, 240) }
      })
      expect(seen.size).toEqual([640, 480])
      expect(farthest(seen.face, [220, 40, 40])).toBeLessThanOrEqual(6)
      expect(farthest(seen.beside, [40, 90, 200])).toBeLessThanOrEqual(6)
    } finally {
      await context.close()
    }
  })

  test('shows the face of a photo at the width and the place that were asked for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 20, max: 300 }), fc.integer({ min: 0, max: 640 }), fc.integer({ min: 0, max: 480 }), async (faceWidth, x, y) => {
        const frame = await photoOnCanvas(await photo(), { faceWidth, face: { x: 60, y: 30, width: 20 }, at: { x, y } })
        const isFace = (px: number, py: number) => farthest(pixel(frame, px, py), [220, 40, 40]) < 60
        const row = Math.min(479, Math.max(0, y))
        const wide = Array.from({ length: 640 }, (_, px) => isFace(px, row)).filter(Boolean).length
        const visible = Math.min(640, x + faceWidth / 2) - Math.max(0, x - faceWidth / 2)
        expect(Math.abs(wide - visible)).toBeLessThanOrEqual(3 + faceWidth / 20)
      }),
      { numRuns: 25 },
    )
  })

  test('pauses and goes dark where it was told to', async () => {
    const file = join(folder, 'scene.y4m')
    const face = await photoOnCanvas(await photo(), { faceWidth: 100 })
    await stillsToY4m(file, [...held(plainFrame(), 3), ...held(face, 2), ...drifting(face, 8), plainFrame()], 10)
    const read = await all(readClip(file))
    expect(read).toHaveLength(14)
    expect([0, 1, 2, 13].map((i) => farthest(pixel(read[i]!, 320, 240), [0, 0, 0]) <= 2)).toEqual([true, true, true, true])
    expect(read[3]!.data).toEqual(read[4]!.data)
    expect(new Set(read.slice(5, 13).map((frame) => Buffer.from(frame.data).toString('base64'))).size).toBeGreaterThan(4)
  })

  test('is refused by name when a picture has another size, an odd side, or there is none', async () => {
    const file = join(folder, 'bad.y4m')
    await expect(stillsToY4m(file, [], 10)).rejects.toThrow('at least one picture')
    await expect(stillsToY4m(file, [plainFrame({ width: 3, height: 2 })], 10)).rejects.toThrow('even sides, got 3 x 2')
    await expect(stillsToY4m(file, [plainFrame({ width: 4, height: 2 }), plainFrame({ width: 2, height: 2 })], 10)).rejects.toThrow('must be 4 x 2; one is 2 x 2')
    await expect(stillsToY4m(file, [plainFrame()], 0)).rejects.toThrow('fps must be above 0')
  })

  test('that is cut off or is no y4m is refused with its name and the fault', async () => {
    const file = join(folder, 'cut.y4m')
    await stillsToY4m(file, held(plainFrame({ width: 16, height: 16 }), 2), 10)
    await truncate(file, (await stat(file)).size - 1)
    await expect(all(readY4m(file))).rejects.toThrow(`${file} ends within picture 1`)
    await writeFile(file, 'no film')
    await expect(all(readY4m(file))).rejects.toThrow(`${file} is not a .y4m`)
    await writeFile(file, 'YUV4MPEG2 W4 H4 F30:1 C444\n')
    await expect(all(readY4m(file))).rejects.toThrow('colour 444')
  })

  test('of JPEGs is cut at its pictures, also where a JPEG holds a thumbnail, and a torn last one is left out', async () => {
    const pictures = await Promise.all([0, 60, 120, 180, 240].map((grey) => toJpeg(plainFrame({ width: 32, height: 16 }, { r: grey, g: grey, b: grey }))))
    // An application segment with a whole small JPEG in it, as cameras write.
    const thumbnail = pictures[4]!
    const segment = Buffer.concat([Buffer.from([0xff, 0xe1, (thumbnail.length + 2) >> 8, (thumbnail.length + 2) & 255]), thumbnail])
    const withThumbnail = Buffer.concat([pictures[1]!.subarray(0, 2), segment, pictures[1]!.subarray(2)])
    const clip = Buffer.concat([pictures[0]!, withThumbnail, Buffer.from('between'), pictures[2]!, pictures[3]!, pictures[4]!.subarray(0, -2)])
    const cut = await cutFrames(clip)
    expect(cut).toEqual([pictures[0], withThumbnail, pictures[2], pictures[3]])
    expect(await cutFrames(clip, 2)).toEqual([cut[0], cut[2]])
    expect(pixel(await readPicture(cut[3]!), 5, 5)).toEqual([180, 180, 180])
    await expect(cutFrames(clip, 0)).rejects.toThrow('everyN')
  })
})
