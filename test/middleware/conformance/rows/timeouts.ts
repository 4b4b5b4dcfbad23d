// Requests that take too long: answered 504, while everything that they hold is held until their handler has ended.

import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { isTimeoutError } from '../../../../src/index.ts'
import { type Deferred, deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { answersAfter } from '../../../support/faulty-adapter.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json, type Reply } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Call, Handler, Mount } from '../service.ts'

/** The first run ends when the gate opens, as `late` says; later runs end at once. */
function slow(gate: Deferred<void>, late: () => Reply = () => json('late')): Handler {
  return async ({ run }: Call) => {
    if (run > 1) return json('next')
    await gate.promise
    return late()
  }
}

const mounted: readonly (readonly [how: string, guards: readonly Mount[]])[] = [
  ['in one protect()', [['protect', { timeout: 500, lock: { key: 'a', timeout: 5_000 } }]]],
  [
    'each mounted by itself',
    [
      ['timeout', 500],
      ['lock', { key: 'a', timeout: 5_000 }],
    ],
  ],
  [
    'with the lock outside',
    [
      ['lock', { key: 'a', timeout: 5_000 }],
      ['timeout', 500],
    ],
  ],
]

const lateAnswers: readonly (readonly [what: string, late: () => Reply])[] = [
  ['answers', () => json('late', 200, [['X-Late', 'yes']])],
  ['answers in pieces', () => ({ as: 'pieces', pieces: ['la', 'te'] })],
  [
    'answers with writeHead',
    () => ({ as: 'head', form: 'flat', text: 'late', headers: [['X-Late', 'yes']] }),
  ],
  ['streams', () => ({ as: 'stream', chunks: lateChunks })],
  ['pipes', () => ({ as: 'piped', chunks: lateChunks })],
  ['sends events', () => ({ as: 'events', chunks: lateChunks })],
  ['redirects', () => ({ as: 'redirect', to: '/late', status: 302 })],
  ['ends without a body', () => ({ as: 'empty', status: 204 })],
  ['throws its answer away', () => ({ as: 'broken-off' })],
  [
    'throws',
    () => {
      throw new Error('late')
    },
  ],
  [
    'throws what is no Error',
    () => {
      throw 'late'
    },
  ],
]

async function* lateChunks() {
  yield 'la'
  await sleep(10)
  yield 'te'
}

const rows: Row[] = [
  {
    name: 'a handler that takes too long is answered for, and its signal aborts with the timeout',
    check: async ({ serve }) => {
      const reason = deferred<unknown>()
      const service = await serve([['timeout', 300]], async ({ signal }) => {
        signal.addEventListener('abort', () => reason.resolve(signal.reason))
        await reason.promise
        return json('late')
      })
      expectProblem(await service.client.post('/'), problems.timeout)
      expect(isTimeoutError(await reason.promise)).toBe(true)
    },
  },
  {
    name: 'a handler that is quick enough is not',
    check: async ({ serve }) => {
      const service = await serve([['timeout', 5_000]], async () => {
        await sleep(20)
        return json('done')
      })
      expect((await service.client.post('/')).json()).toBe('done')
    },
  },
  ...mounted.map(
    ([how, guards]): Row => ({
      name: `the next request for a lock enters only when the handler behind a 504 has ended: ${how}`,
      check: async ({ serve }) => {
        const gate = deferred()
        const order: string[] = []
        const service = await serve(guards, async ({ run }) => {
          order.push(`enters ${run}`)
          if (run === 1) await gate.promise
          order.push(`ends ${run}`)
          return json(run)
        })
        expectProblem(await service.client.post('/'), problems.timeout)
        const next = service.client.send({})
        await sleep(50)
        expect(order).toEqual(['enters 1'])
        gate.resolve()
        const { status } = await next.answer
        // A lock inside the timeout is waited for within it.
        expect([200, 504]).toContain(status)
        await eventually(() => order.length === 4)
        expect(order).toEqual(['enters 1', 'ends 1', 'enters 2', 'ends 2'])
      },
    }),
  ),
  {
    name: 'a permit is held until the handler behind a 504 has ended',
    check: async ({ serve }) => {
      const gate = deferred()
      const service = await serve(
        [
          ['timeout', 300],
          ['semaphore', { limit: 1 }],
        ],
        slow(gate),
      )
      expectProblem(await service.client.post('/'), problems.timeout)
      expectProblem(await service.client.post('/'), problems.full)
      gate.resolve()
      await eventually(async () => (await service.client.post('/')).status === 200)
    },
  },
  ...lateAnswers.map(
    ([what, late]): Row => ({
      name: `a handler that ${what} behind its 504 does no harm to the connection, and holds nothing any more`,
      check: async ({ serve }) => {
        const gate = deferred()
        const service = await serve(
          [
            ['timeout', 300],
            ['lock', { key: 'a' }],
          ],
          slow(gate, late),
        )
        const first = await service.client.post('/')
        expectProblem(first, problems.timeout)
        // Refused for the lock, on the connection of the first: it is intact.
        const second = await service.client.post('/')
        expectProblem(second, problems.locked)
        gate.resolve()
        const third = await eventually(async () => {
          const answer = await service.client.post('/')
          return answer.status === 200 && answer
        })
        expect([third.json(), third.headers['x-late']]).toEqual(['next', undefined])
        expect([second.connection, third.connection]).toEqual([first.connection, first.connection])
      },
    }),
  ),
  {
    name: 'a handler that answers while its 504 is on the way does no harm either',
    check: async ({ serve }) => {
      const service = await serve([['timeout', 30]], async () => {
        await sleep(30)
        return json('just in time')
      })
      for (let time = 0; time < 20; time++) {
        const answer = await service.client.post('/')
        expect(answer.complete).toBe(true)
        if (answer.status === 504) expectProblem(answer, problems.timeout)
        else expect(answer.json()).toBe('just in time')
      }
    },
  },
  {
    name: 'an answer that has begun is not answered for: it goes on',
    check: async ({ serve }) => {
      async function* chunks() {
        yield 'first, '
        await sleep(500)
        yield 'last'
      }
      const service = await serve([['timeout', 300]], () => ({ as: 'stream', chunks }))
      const answer = await service.client.post('/')
      expect([answer.status, answer.text, answer.complete]).toEqual([200, 'first, last', true])
    },
  },
  {
    name: 'waiting for a lock counts, and who gives up waiting is not run later',
    check: async ({ serve }) => {
      const gate = deferred()
      const service = await serve(
        [
          ['timeout', 500],
          ['lock', { key: 'a', timeout: 10_000 }],
        ],
        slow(gate),
      )
      const answers = [service.client.send({}), service.client.send({})]
      for (const { answer } of answers) expectProblem(await answer, problems.timeout)
      gate.resolve()
      await sleep(50)
      expect(service.runs()).toBe(1)
      expect((await service.client.post('/')).json()).toBe('next')
    },
  },
  {
    name: 'a 504 keeps the claim while the handler runs; a late success is done, and never again',
    check: async ({ serve }) => {
      const gate = deferred()
      const service = await serve([['idempotency'], ['timeout', 300]], slow(gate))
      expectProblem(await service.client.post('/', { key: 'k' }), problems.timeout)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      gate.resolve()
      await eventually(async () => {
        expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
        return true
      })
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'a 504 keeps the claim while the handler runs; a late failure is forgotten, and a retry runs',
    check: async ({ serve }) => {
      const gate = deferred()
      const service = await serve(
        [['protect', { idempotency: {}, timeout: 300 }]],
        slow(gate, () => {
          throw new Error('late')
        }),
      )
      expectProblem(await service.client.post('/', { key: 'k' }), problems.timeout)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      gate.resolve()
      const second = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        return answer.status === 200 && answer
      })
      expect(second.json()).toBe('next')
      expectReplay(await service.client.post('/', { key: 'k' }), second)
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'a timeout outside of idempotency() is no answer of the handler: the late one is kept as done',
    check: async ({ serve }) => {
      const gate = deferred()
      const service = await serve([['timeout', 300], ['idempotency']], slow(gate))
      expectProblem(await service.client.post('/', { key: 'k' }), problems.timeout)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      gate.resolve()
      const retry = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        return answer.headers['retry-after'] === undefined && answer
      })
      expectProblem(retry, problems.notReplayable)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'the timeout of requestScope() answers 504 as well, and the lock behind it is held on',
    check: async ({ store, serveAll }) => {
      const gate = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store, timeout: 300 }]],
        routes: { 'POST /': { guards: [['lock', { key: 'a' }]], handler: slow(gate) } },
      })
      expectProblem(await service.client.post('/'), problems.timeout)
      expectProblem(await service.client.post('/'), problems.locked)
      gate.resolve()
      await eventually(async () => (await service.client.post('/')).status === 200)
    },
  },
  {
    name: 'a request that was answered 504 while its store was slow never runs, and its retry does',
    check: async ({ store, serveAll }) => {
      const gate = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store, timeout: 300 }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: ({ run }) => json(run) } },
      })
      store.always('records.begin', answersAfter(gate.promise))
      expectProblem(await service.client.post('/', { key: 'k' }), problems.timeout)
      store.always('records.begin', undefined)
      gate.resolve()
      const retry = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        return answer.status === 200 && answer
      })
      expect(retry.json()).toBe(1)
    },
  },
  {
    name: 'a 504 has none of the headers that describe the body which its handler was about to send',
    check: async ({ serve }) => {
      const described = {
        'content-type': 'text/csv',
        'content-length': '3',
        'content-disposition': 'attachment',
        'content-encoding': 'br',
        etag: '"v1"',
        'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT',
      }
      const service = await serve([['timeout', 100]], async ({ setHeader }) => {
        for (const [name, value] of Object.entries(described)) setHeader(name, value)
        await sleep(200)
        return json('late')
      })
      const answer = await service.client.post('/')
      expectProblem(answer, problems.timeout)
      const { 'content-type': _, 'content-length': __, ...others } = described
      for (const name of Object.keys(others))
        expect([name, answer.headers[name]]).toEqual([name, undefined])
      expect(answer.all('content-length').join()).not.toBe('3')
    },
  },
  {
    name: 'a 504 has what outer middlewares set, and is compressed by them',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [
          ['compresses'],
          ['sets', 'X-Request-Id', () => 'request-1'],
          ['sets-late', 'Set-Cookie', () => 'session=1'],
          ['requestScope', { provider: store, timeout: 100 }],
        ],
        routes: {
          'POST /': {
            handler: async () => {
              await sleep(200)
              return json('late')
            },
          },
        },
      })
      const headers = { 'accept-encoding': 'gzip' }
      const answer = await service.client.post('/', { headers })
      expect([answer.status, answer.headers['x-request-id'], answer.all('set-cookie')]).toEqual([
        504,
        'request-1',
        ['session=1'],
      ])
      const plain =
        answer.headers['content-encoding'] === 'gzip' ? gunzipSync(answer.bytes) : answer.bytes
      expect(JSON.parse(plain.toString())).toMatchObject({ status: 504 })
    },
  },
]

export const timeouts: RowGroup = { subject: 'requests that take too long', rows }
