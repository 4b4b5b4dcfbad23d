// The semaphore guard: how many enter, who waits, and what those get who may not.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { occupied } from '../occupied.ts'
import { expectProblem, problems } from '../problem.ts'
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
