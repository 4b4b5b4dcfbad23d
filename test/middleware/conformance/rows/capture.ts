// Every way in which a handler can answer: the client gets the answer unchanged, and a retry gets it again.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { eventually } from '../../../support/eventually.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { type Headers, json, type Reply, text } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'

interface Way {
  readonly name: string
  readonly reply: () => Reply
  /** What the client must get: its status and body. */
  readonly status?: number
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly only?: 'express'
  /** Its length is announced, so that the client knows of its last byte before the handler has ended it. */
  readonly isCompleteBeforeItEnds?: boolean
}

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte)
const FILE = fileURLToPath(import.meta.url)

const twice: Headers = [
  ['Content-Type', 'text/x-test'],
  ['Link', '</a>; rel="self"'],
  ['Link', '</b>; rel="next"'],
  ['Location', '/made'],
]

const ways: readonly Way[] = [
  {
    name: 'JSON',
    reply: () => json({ paymentId: 'p1' }, 201),
    status: 201,
    body: '{"paymentId":"p1"}',
  },
  { name: 'JSON that is null', reply: () => json(null), body: 'null' },
  { name: 'JSON that is false', reply: () => json(false), body: 'false' },
  { name: 'JSON that is the empty string', reply: () => json(''), body: '""' },
  { name: 'text', reply: () => text('ü€𝄞'), body: 'ü€𝄞' },
  { name: 'text with a byte order mark', reply: () => text('\ufeffmark'), body: '\ufeffmark' },
  { name: 'the empty string', reply: () => text(''), body: '' },
  { name: 'nothing but the end', reply: () => ({ as: 'end', text: 'bare' }), body: 'bare' },
  { name: 'an end without a body', reply: () => ({ as: 'empty' }), body: '' },
  { name: '204', reply: () => ({ as: 'empty', status: 204 }), status: 204, body: '' },
  {
    name: '204 with a body, which HTTP forbids',
    reply: () => ({ as: 'text', text: 'dropped', status: 204 }),
    status: 204,
    body: '',
    only: 'express',
  },
  {
    name: '304',
    reply: () => ({ as: 'empty', status: 304, headers: [['ETag', '"v1"']] }),
    status: 304,
    body: '',
    headers: { etag: '"v1"' },
  },
  {
    name: 'a redirect',
    reply: () => ({ as: 'redirect', to: '/payments/1', status: 303 }),
    status: 303,
    body: '',
    headers: { location: '/payments/1' },
  },
  {
    name: 'bytes of every value',
    reply: () => ({ as: 'bytes', bytes: EVERY_BYTE, headers: [['Content-Type', 'image/x-test']] }),
    body: EVERY_BYTE,
    headers: { 'content-type': 'image/x-test' },
  },
  {
    name: 'bytes that are half a character',
    reply: () => ({ as: 'bytes', bytes: Uint8Array.of(0xe2, 0x82) }),
    body: Uint8Array.of(0xe2, 0x82),
  },
  {
    name: 'several pieces in one turn',
    reply: () => ({ as: 'pieces', pieces: ['one, ', 'zwö, ', 'three'] }),
    body: 'one, zwö, three',
  },
  {
    name: 'a hundred pieces in one turn',
    reply: () => ({ as: 'pieces', pieces: Array.from({ length: 100 }, (_, at) => `${at};`) }),
    body: Array.from({ length: 100 }, (_, at) => `${at};`).join(''),
  },
  {
    name: 'a stream that is complete within a turn',
    reply: () => ({ as: 'stream', chunks: immediately('ab', 'cd') }),
    body: 'abcd',
  },
  {
    name: 'a slow stream whose length is announced',
    reply: () => ({ as: 'stream', chunks: slowly('ab', 'cd'), length: 4 }),
    body: 'abcd',
    isCompleteBeforeItEnds: true,
  },
  {
    name: 'a file',
    reply: () => ({ as: 'file', path: FILE }),
    body: readFileSync(FILE, 'utf8'),
    isCompleteBeforeItEnds: true,
  },
  ...(['object', 'pairs', 'flat'] as const).map(
    (form): Way => ({
      name: `status and headers in one call, as ${form}`,
      reply: () => ({ as: 'head', form, text: 'made', status: 201, headers: twice }),
      status: 201,
      body: 'made',
      headers: {
        'content-type': 'text/x-test',
        link: '</a>; rel="self", </b>; rel="next"',
        location: '/made',
      },
    }),
  ),
]

async function* pieces(
  all: readonly string[],
  wait: () => Promise<unknown>,
): AsyncGenerator<string> {
  for (const piece of all) {
    await wait()
    yield piece
  }
}

function immediately(...all: string[]) {
  return () => pieces(all, async () => {})
}

function slowly(...all: string[]) {
  return () => pieces(all, () => sleep(20))
}

const rows: Row[] = [
  ...ways.map(
    ({ name, reply, status = 200, body, headers = {}, only }): Row => ({
      name: `${name}: a retry gets the same again`,
      ...(only && { only }),
      check: async ({ serve }) => {
        const service = await serve([['idempotency']], reply)
        const first = await service.client.post('/', { key: 'k' })
        expect(first.status).toBe(status)
        expect(first.complete).toBe(true)
        if (status !== 303) expect(first.bytes).toEqual(Buffer.from(body))
        expect(first.headers).toMatchObject(headers)
        expectReplay(await service.client.post('/', { key: 'k' }), first)
        expect(service.runs()).toBe(1)
      },
    }),
  ),
  ...ways.map(
    ({ name, reply, status = 200, body, headers = {}, only, isCompleteBeforeItEnds }): Row => ({
      name: `${name}: every guard together changes nothing`,
      ...(only && { only }),
      check: async ({ serve }) => {
        const service = await serve(
          [
            ['timeout', 5_000],
            ['lock', { key: 'a' }],
            ['semaphore', { limit: 1 }],
          ],
          reply,
        )
        for (let time = 0; time < 2; time++) {
          // Until a handler has ended, what it holds is held.
          const answer = await eventually(async () => {
            const each = await service.client.post('/')
            return isCompleteBeforeItEnds && time > 0 && each.status === 409 ? undefined : each
          })
          expect(answer.status).toBe(status)
          expect(answer.complete).toBe(true)
          if (status !== 303) expect(answer.bytes).toEqual(Buffer.from(body))
          expect(answer.headers).toMatchObject(headers)
        }
      },
    }),
  ),
  {
    name: 'an answer larger than `maxAnswerBytes` arrives whole, and its retry is refused and not run',
    check: async ({ serve }) => {
      const large = 'x'.repeat(1_001)
      const service = await serve([['idempotency', { maxAnswerBytes: 1_000 }]], () => text(large))
      expect((await service.client.post('/', { key: 'k' })).text).toBe(large)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'an answer of exactly `maxAnswerBytes` is replayed, also when every byte of it is escaped',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { maxAnswerBytes: 1_000 }]], () =>
        text('"'.repeat(1_000)),
      )
      const first = await service.client.post('/', { key: 'k' })
      expectReplay(await service.client.post('/', { key: 'k' }), first)
    },
  },
  {
    name: 'control characters take six bytes each in JSON, and are replayed too',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { maxAnswerBytes: 50_000 }]], () =>
        text('\u0001'.repeat(50_000)),
      )
      const first = await service.client.post('/', { key: 'k' })
      expectReplay(await service.client.post('/', { key: 'k' }), first)
    },
  },
  {
    name: 'pieces that add up to more than `maxAnswerBytes` arrive whole, and are not replayed',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { maxAnswerBytes: 10 }]], () => ({
        as: 'pieces',
        pieces: ['123456', '7890', '1'],
      }))
      expect((await service.client.post('/', { key: 'k' })).text).toBe('12345678901')
      expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
    },
  },
  {
    name: 'a HEAD that is guarded has the headers of its GET and no body, and so has its replay',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['idempotency', { methods: ['HEAD', 'GET'] }],
        ],
        routes: { 'GET /': { handler: () => text('hello', 200, [['ETag', '"v1"']]) } },
      })
      const head = () => service.client.request({ method: 'HEAD', key: 'k' })
      const first = await head()
      expect([first.status, first.headers.etag, first.text]).toEqual([200, '"v1"', ''])
      const again = await head()
      expect([again.status, again.headers.etag, again.text]).toEqual([200, '"v1"', ''])
      expect(again.headers['idempotent-replayed']).toBe('true')
      expect((await service.client.get('/', { key: 'k' })).text).toBe('hello')
    },
  },
  {
    name: 'a HEAD behind a lock ends it: the next request enters at once',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['lock', { key: 'a' }],
        ],
        routes: { 'GET /': { handler: () => text('hello') } },
      })
      for (const method of ['HEAD', 'GET', 'HEAD', 'GET']) {
        expect((await service.client.request({ method })).status).toBe(200)
      }
    },
  },
]

export const capture: RowGroup = { subject: 'answers that are kept', rows }
