// The semaphore guard: how many enter, who waits, and what those get who may not.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { occupied } from '../occupied.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectViolated, quotaOf } from '../quota.ts'
import { json, type Reply, text } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const rows: Row[] = [
  {
    name: 'no more than `limit` requests run at a time; others are told to come again',
    check: async ({ serve }) => {
      const gate = deferred()
      let inside = 0
      const service = await serve([['semaphore', { limit: 2, name: 'reports' }]], async () => {
        inside++
        await gate.promise
        return json('report')
      })
      const running = [service.client.send({}), service.client.send({})]
      await eventually(() => inside === 2)
      expectProblem(await service.client.post('/'), problems.full)
      gate.resolve()
      for (const { answer } of running) expect((await answer).status).toBe(200)
      expect((await service.client.post('/')).status).toBe(200)
      expect(service.runs()).toBe(3)
    },
  },
  {
    name: 'a client that has as many requests inside as it may is answered 429, and others are let in',
    check: async ({ serve }) => {
      const gate = deferred()
      let inside = 0
      const service = await serve(
        [
          [
            'semaphore',
            {
              name: 'exports',
              limit: 1,
              perClient: true,
              key: ({ header }) => header('x-user') ?? '',
            },
          ],
        ],
        async () => {
          inside++
          await gate.promise
          return json('export')
        },
      )
      const send = (user: string) =>
        service.client.send({ headers: { 'x-user': user }, alone: true })
      const running = [send('a'), send('b')]
      await eventually(() => inside === 2)
      const refused = await send('a').answer
      expectProblem(refused, problems.quotaExceeded)
      expectViolated(refused, 'exports')
      expect(quotaOf(refused)).toEqual({
        policies: [{ name: 'exports', q: 1, qu: 'concurrent-requests' }],
        left: [{ name: 'exports', r: 0 }],
      })
      gate.resolve()
      for (const { answer } of running) {
        const passed = await answer
        expect([passed.status, quotaOf(passed)]).toEqual([
          200,
          { policies: [{ name: 'exports', q: 1, qu: 'concurrent-requests' }], left: [] },
        ])
      }
    },
  },
  {
    name: 'without a key a client is its address, and permits are those of the route',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['semaphore', { limit: 1, perClient: true }]])
      const refused = await service.client.post('/')
      expectProblem(refused, problems.quotaExceeded)
      expectViolated(refused, 'POST /')
      await end()
      expect((await service.client.post('/')).status).toBe(200)
    },
  },
  {
    name: 'how many may enter in all is said to nobody, unless that is asked for',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['semaphore', { limit: 1, name: 'reports' }]])
      expect(quotaOf(await service.client.post('/'))).toEqual({ policies: [], left: [] })
      await end()
      const said = await bench.serve(
        [['semaphore', { limit: 7, name: 'reports', headers: true }]],
        () => json('report'),
      )
      expect(quotaOf(await said.client.post('/')).policies).toEqual([
        { name: 'reports', q: 7, qu: 'concurrent-requests' },
      ])
    },
  },
  {
    name: 'a queue for permits that is full refuses at once, and not by the client',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [
        ['semaphore', { limit: 1, key: 's', perClient: true, timeout: 10_000, maxWaiters: 1 }],
      ])
      const waiting = service.client.send({ alone: true })
      await eventually(
        async () => (await bench.store.grants.inspect('semaphore:s')).waiters.length === 1,
      )
      expectProblem(await service.client.post('/'), problems.full)
      await end()
      expect((await waiting.answer).status).toBe(200)
    },
  },
  {
    name: 'a client that leaves while it waits for a permit leaves the queue',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [
        ['semaphore', { limit: 1, key: 's', timeout: 10_000 }],
      ])
      const waiters = async () => (await bench.store.grants.inspect('semaphore:s')).waiters.length
      const waiting = service.client.send({ alone: true })
      await eventually(async () => (await waiters()) === 1)
      waiting.leave()
      await eventually(async () => (await waiters()) === 0)
      await end()
      expect((await service.client.post('/')).json()).toBe(2)
    },
  },
  {
    name: 'a request waits for a permit for `timeout`',
    check: async (bench) => {
      const { service, end } = await occupied(bench, [['semaphore', { limit: 1, timeout: 150 }]])
      const asked = performance.now()
      expectProblem(await service.client.post('/'), problems.full)
      expect(performance.now() - asked).toBeGreaterThan(140)
      const waiting = service.client.send({})
      await sleep(20)
      await end()
      expect((await waiting.answer).status).toBe(200)
    },
  },
  {
    name: 'a semaphore’s key and limit may come from the request',
    check: async ({ serve }) => {
      const gate = deferred()
      let inside = 0
      const tenant = ({ header }: { header(name: string): string | undefined }) =>
        header('x-tenant') ?? ''
      const service = await serve(
        [
          [
            'semaphore',
            { key: tenant, limit: async (request) => (tenant(request) === 'large' ? 2 : 1) },
          ],
        ],
        async () => {
          inside++
          await gate.promise
          return json('report')
        },
      )
      const send = (name: string) => service.client.send({ headers: { 'x-tenant': name } })
      const running = [send('large'), send('large'), send('small')]
      await eventually(() => inside === 3)
      expectProblem(await send('large').answer, problems.full)
      expectProblem(await send('small').answer, problems.full)
      gate.resolve()
      for (const { answer } of running) expect((await answer).status).toBe(200)
    },
  },
  {
    name: 'without a name or key a semaphore is that of its route',
    check: async ({ store, serveAll }) => {
      const gate = deferred()
      let inside = 0
      const handler = async (): Promise<Reply> => {
        inside++
        await gate.promise
        return json('done')
      }
      const guards: readonly Mount[] = [['semaphore', { limit: 1 }]]
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: { 'POST /a/:id': { guards, handler }, 'POST /b': { guards, handler } },
      })
      const running = [service.client.send({ path: '/a/1' }), service.client.send({ path: '/b' })]
      await eventually(() => inside === 2)
      expectProblem(await service.client.post('/a/2'), problems.full)
      gate.resolve()
      for (const { answer } of running) expect((await answer).status).toBe(200)
    },
  },
  {
    name: 'a semaphore whose route is not known says that it needs a name',
    only: 'express',
    check: async ({ store, serveAll }) => {
      const seen: unknown[] = []
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['semaphore', { limit: 1, onRefused: () => text('refused') }],
        ],
        routes: { 'POST /': { handler: () => json('ran') } },
        fails: (error) => seen.push(error),
      })
      expect((await service.client.post('/')).status).toBe(500)
      expect(seen).toMatchObject([
        {
          code: 'ERR_HOLDFAST_INVALID_ARGUMENT',
          message: expect.stringMatching(/`name`.*semaphore\(\)/),
        },
      ])
      expect(service.runs()).toBe(0)
    },
  },
  {
    name: 'a semaphore in front of every route has a name, or knows the route',
    check: async ({ store, serveAll, framework }) => {
      const named = framework === 'express' ? { name: 'all' } : {}
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['semaphore', { limit: 1, ...named }],
        ],
        routes: { 'POST /': { handler: () => json('ran') } },
      })
      expect((await service.client.post('/')).status).toBe(200)
    },
  },
]

export const permits: RowGroup = { subject: 'permits', rows }
