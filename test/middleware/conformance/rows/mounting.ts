// Guards and what is mounted around them: one by one, several at once, with compression outside or inside.

import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { Lock } from '../../../../src/index.ts'
import { deferred } from '../../../support/deferred.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const parts = {
  idempotency: {},
  timeout: 5_000,
  lock: { key: 'a' },
  semaphore: { limit: 1 },
} as const

type Part = keyof typeof parts

const orders: readonly (readonly Part[])[] = [
  ['idempotency', 'timeout', 'lock', 'semaphore'],
  ['semaphore', 'lock', 'timeout', 'idempotency'],
  ['lock', 'idempotency', 'semaphore', 'timeout'],
]

const inOrder = (order: readonly Part[]) =>
  Object.fromEntries(order.map((part) => [part, parts[part]]))

const rows: Row[] = [
  {
    name: 'mounted one by one: a refusal of the route’s lock is never stored',
    check: async ({ store, serveAll }) => {
      const begun = deferred()
      const gate = deferred()
      const service = await serveAll({
        use: [['requestScope', { provider: store }], ['idempotency']],
        routes: {
          'POST /ship': {
            guards: [['lock', { key: 'order' }]],
            handler: async ({ run }) => {
              begun.resolve()
              if (run === 1) await gate.promise
              return json(run, 201)
            },
          },
        },
      })
      const first = service.client.send({ path: '/ship', key: 'one' })
      await begun.promise
      expectProblem(await service.client.post('/ship', { key: 'two' }), problems.locked)
      expectProblem(await service.client.post('/ship', { key: 'two' }), problems.locked)
      gate.resolve()
      expectReplay(
        await first.answer.then(() => service.client.post('/ship', { key: 'one' })),
        await first.answer,
      )
      const second = await service.client.post('/ship', { key: 'two' })
      expect([second.status, second.json()]).toEqual([201, 2])
      expectReplay(await service.client.post('/ship', { key: 'two' }), second)
    },
  },
  ...orders.map(
    (order): Row => ({
      name: `protect() written as ${order.join(', ')}: a replay needs no lock and no permit`,
      check: async ({ serve }) => {
        const begun = deferred()
        const gate = deferred()
        const service = await serve([['protect', inOrder(order)]], async ({ run }) => {
          if (run === 2) {
            begun.resolve()
            await gate.promise
          }
          return json(run)
        })
        const first = await service.client.post('/', { key: 'one' })
        const running = service.client.send({ key: 'two' })
        await begun.promise
        expectReplay(await service.client.post('/', { key: 'one' }), first)
        // The lock comes before the permit: it is what refuses.
        expectProblem(await service.client.post('/', { key: 'three' }), problems.locked)
        gate.resolve()
        await running.answer
        expect((await service.client.post('/', { key: 'three' })).json()).toBe(3)
      },
    }),
  ),
  {
    name: 'protect() refuses in its order: rate limit, circuit breaker, lock',
    check: async ({ serve, store }) => {
      const begun = deferred()
      const gate = deferred()
      const guards: Mount = [
        'protect',
        {
          lock: { key: 'a' },
          semaphore: { limit: 1 },
          circuitBreaker: { failureThreshold: 1 },
          rateLimit: { limit: 3, window: 3_600_000 },
        },
      ]
      const service = await serve([guards], async () => {
        begun.resolve()
        await gate.promise
        return json('broken', 500)
      })
      const first = service.client.send({})
      await begun.promise
      expectProblem(await service.client.post('/'), problems.locked)
      gate.resolve()
      expect((await first.answer).status).toBe(500)
      await using _held = await new Lock(undefined, { provider: store, key: 'a' }).acquire()
      expectProblem(await service.client.post('/'), problems.circuitOpen)
      expectProblem(await service.client.post('/'), problems.quotaExceeded)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'protect() shares an option also with a part that leaves it undefined',
    check: async ({ store, serveAll }) => {
      const problemBase = 'https://shop.example/problems/'
      const own = { provider: undefined, problemBase: undefined }
      const service = await serveAll({
        routes: {
          'POST /': {
            guards: [
              [
                'protect',
                { provider: store, problemBase, idempotency: { required: true, ...own } },
              ],
            ],
            handler: () => json('done'),
          },
        },
      })
      expectProblem(await service.client.post('/'), problems.keyMissing, problemBase)
      await service.client.post('/', { key: 'k' })
      expect(store.calls).toContain('records.begin')
    },
  },
  {
    name: 'protect() shares its options with its parts',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        routes: {
          'POST /': {
            guards: [['protect', { provider: store, idempotency: {}, lock: { key: 'a' } }]],
            handler: () => json('done'),
          },
        },
      })
      await service.client.post('/', { key: 'k' })
      expect(store.calls).toEqual(
        expect.arrayContaining([
          'records.begin',
          'grants.acquire',
          'grants.release',
          'records.commit',
        ]),
      )
    },
  },
  {
    name: 'protect() of nothing changes nothing',
    check: async ({ serve, store }) => {
      const service = await serve([['protect', {}]], () => json('done'))
      expect((await service.client.post('/')).json()).toBe('done')
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'with no provider anywhere the memory of the process serves',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [['idempotency']],
        routes: { 'POST /': { handler: ({ run }) => json(run) } },
      })
      const key = crypto.randomUUID()
      const first = await service.client.post('/', { key })
      expectReplay(await service.client.post('/', { key }), first)
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'a guard’s own provider comes before that of the scope',
    check: async ({ serve, store, otherProcess }) => {
      const own = otherProcess()
      const service = await serve([['idempotency', { provider: own }]], () => json('done'))
      await service.client.post('/', { key: 'k' })
      expect([store.calls, own.calls]).toEqual([[], ['records.begin', 'records.commit']])
    },
  },
  {
    name: 'with compression outside, what is stored is not compressed, and both answers are',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [['compresses'], ['requestScope', { provider: store }]],
        routes: {
          'POST /': {
            guards: [['protect', { idempotency: {}, lock: { key: 'a' } }]],
            handler: () => json({ text: 'x'.repeat(2_000) }, 201),
          },
        },
      })
      const headers = { 'accept-encoding': 'gzip' }
      const first = await service.client.post('/', { key: 'k', headers })
      const again = await service.client.post('/', { key: 'k', headers })
      for (const answer of [first, again]) {
        expect([answer.status, answer.headers['content-encoding']]).toEqual([201, 'gzip'])
        expect(JSON.parse(gunzipSync(answer.bytes).toString())).toEqual({ text: 'x'.repeat(2_000) })
      }
      expect(again.headers['idempotent-replayed']).toBe('true')
    },
  },
  {
    name: 'with compression inside, nothing is stored: a retry is refused and not run',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [['requestScope', { provider: store }], ['idempotency'], ['compresses']],
        routes: { 'POST /': { handler: () => json({ text: 'x'.repeat(2_000) }) } },
      })
      const headers = { 'accept-encoding': 'gzip' }
      const first = await service.client.post('/', { key: 'k', headers })
      expect(JSON.parse(gunzipSync(first.bytes).toString())).toEqual({ text: 'x'.repeat(2_000) })
      expectProblem(await service.client.post('/', { key: 'k', headers }), problems.notReplayable)
      expect(service.runs()).toBe(1)
    },
  },
]

export const mounting: RowGroup = { subject: 'guards and how they are mounted', rows }
