// Stores that fail or hang: guards refuse, or let pass where that was chosen.

import { expect } from 'vitest'
import { fails, hangs } from '../../../support/faulty-adapter.ts'
import { expectProblem, problems } from '../problem.ts'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'

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
