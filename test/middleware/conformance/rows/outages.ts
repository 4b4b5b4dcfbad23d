// Stores that fail or hang: guards refuse, or let pass where that was chosen.

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { type Fault, fails, hangs } from '../../../support/faulty-adapter.ts'
import type { CallName } from '../../../support/tapped-port.ts'
import { expectProblem, problems } from '../problem.ts'
import { quotaOf } from '../quota.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Handler, Mount } from '../service.ts'

const rows: Row[] = [
  ...(['fails', 'hangs'] as const).map(
    (how): Row => ({
      name: `a store that ${how}: every guard refuses, and says when to come again`,
      check: async ({ serveAll, store }) => {
        const fault = how === 'fails' ? fails(new Error('redis://user:secret@host is gone')) : hangs
        store.always('records.begin', fault)
        store.always('grants.acquire', fault)
        const handler = () => json('ran')
        const ttl = 900
        const service = await serveAll({
          use: [['requestScope', { provider: store }]],
          routes: {
            'POST /idempotency': { guards: [['idempotency', { lease: ttl }]], handler },
            'POST /lock': { guards: [['lock', { key: 'a', ttl }]], handler },
            'POST /semaphore': { guards: [['semaphore', { limit: 1, ttl }]], handler },
          },
        })
        const asked = performance.now()
        for (const path of ['/idempotency', '/lock', '/semaphore']) {
          const answer = await service.client.post(path, { key: 'k' })
          expectProblem(answer, problems.storeUnavailable)
          expect(answer.text).not.toContain('secret')
        }
        expect(performance.now() - asked).toBeLessThan(4_000)
        expect(service.runs()).toBe(0)
      },
    }),
  ),
  ...(['fails', 'hangs'] as const).map(
    (how): Row => ({
      name: `a store that ${how}, with \`onStoreError: 'allow'\`: requests pass unguarded, with an event`,
      check: async ({ serveAll, store }) => {
        const fault = how === 'fails' ? fails(new Error('gone')) : hangs
        store.always('records.begin', fault)
        store.always('grants.acquire', fault)
        const handler = () => json('ran')
        const events: string[] = []
        const options = {
          onStoreError: 'allow' as const,
          onEvent: ({ name }: { name: string }) => events.push(name),
        }
        const service = await serveAll({
          use: [['requestScope', { provider: store }]],
          routes: {
            'POST /idempotency': { guards: [['idempotency', { lease: 900, ...options }]], handler },
            'POST /lock': { guards: [['lock', { key: 'a', ttl: 900, ...options }]], handler },
            'POST /semaphore': {
              guards: [['semaphore', { limit: 1, ttl: 900, ...options }]],
              handler,
            },
          },
        })
        for (const path of ['/idempotency', '/lock', '/semaphore']) {
          expect((await service.client.post(path, { key: 'k' })).json()).toBe('ran')
        }
        expect(events).toEqual(Array(3).fill('holdfast.guard.fail_open'))
      },
    }),
  ),
  ...(['fails', 'hangs'] as const).map(
    (how): Row => ({
      name: `a store that ${how} limits nobody's rate, with an event, unless it is said otherwise`,
      check: async ({ serveAll, store }) => {
        store.always('rates.consume', how === 'fails' ? fails(new Error('gone')) : hangs)
        const events: string[] = []
        const limit = {
          limit: 1,
          window: 3_600_000,
          onEvent: ({ name }: { name: string }) => events.push(name),
        }
        const handler: Handler = ({ holdfast }) => json(holdfast.rateLimit?.remaining ?? 'ran')
        const service = await serveAll({
          use: [['requestScope', { provider: store }]],
          routes: {
            'POST /allow': { guards: [['rateLimit', limit]], handler },
            'POST /deny': { guards: [['rateLimit', { ...limit, onStoreError: 'deny' }]], handler },
            'POST /local': {
              guards: [['rateLimit', { ...limit, name: randomUUID(), onStoreError: 'local' }]],
              handler,
            },
          },
        })
        for (let at = 0; at < 2; at++) {
          const passed = await service.client.post('/allow')
          expect([passed.json(), quotaOf(passed)]).toEqual(['ran', { policies: [], left: [] }])
        }
        expect(events).toEqual(Array(2).fill('holdfast.guard.fail_open'))
        expectProblem(await service.client.post('/deny'), problems.storeUnavailable)
        expect((await service.client.post('/local')).json()).toBe(0)
        expectProblem(await service.client.post('/local'), problems.quotaExceeded)
        expect(events).toHaveLength(4)
      },
    }),
  ),
  {
    name: 'a store that takes 200 ms is waited for',
    check: async ({ serve, store }) => {
      const slow: Fault = async (carryOut) => {
        await sleep(200)
        return carryOut()
      }
      for (const call of ['rates.consume', 'grants.acquire', 'counts.report', 'records.begin']) {
        store.always(call as CallName, slow)
      }
      const service = await serve(
        [
          [
            'protect',
            {
              idempotency: {},
              rateLimit: { limit: 1, window: 3_600_000 },
              circuitBreaker: {},
              lock: { key: 'a' },
              semaphore: { limit: 1 },
            },
          ],
        ],
        () => json('ran'),
      )
      expect((await service.client.post('/', { key: 'a' })).json()).toBe('ran')
      expectProblem(await service.client.post('/', { key: 'b' }), problems.quotaExceeded)
    },
  },
  ...(['lock', 'semaphore', 'idempotency'] as const).map(
    (kind): Row => ({
      name: `a store that fails, with \`onStoreError: 'local'\`: ${kind}() guards this process`,
      check: async (bench) => {
        bench.store.always('grants.acquire', fails(new Error('gone')))
        bench.store.always('records.begin', fails(new Error('gone')))
        const events: string[] = []
        const options = {
          onStoreError: 'local' as const,
          onEvent: ({ name }: { name: string }) => events.push(name),
        }
        const key = randomUUID()
        const guard: Mount =
          kind === 'lock'
            ? ['lock', { key, ...options }]
            : kind === 'semaphore'
              ? ['semaphore', { key, limit: 1, ...options }]
              : ['idempotency', { scope: () => key, ...options }]
        const expected = { lock: 'locked', semaphore: 'full', idempotency: 'inProgress' } as const
        const begun = deferred()
        const gate = deferred()
        const service = await bench.serve([guard], async ({ run }) => {
          begun.resolve()
          await gate.promise
          return json(run)
        })
        const first = service.client.send({ key: 'k' })
        await begun.promise
        expectProblem(await service.client.post('/', { key: 'k' }), problems[expected[kind]])
        gate.resolve()
        expect((await first.answer).json()).toBe(1)
        expect(new Set(events)).toEqual(new Set(['holdfast.guard.fail_open']))
      },
    }),
  ),
  {
    name: "a refusal that no store fault causes is not allowed by `onStoreError: 'allow'`",
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { required: true, onStoreError: 'allow' }]],
        () => json('ran'),
      )
      expectProblem(await service.client.post('/'), problems.keyMissing)
    },
  },
]

export const outages: RowGroup = { subject: 'stores that do not answer', rows }
