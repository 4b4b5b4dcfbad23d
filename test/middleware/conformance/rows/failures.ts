// Handlers that fail, before their answer, in the middle of it and after it.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { landsAfter } from '../../../support/faulty-adapter.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json, type Reply } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const every: readonly Mount[] = [
  ['idempotency', { lease: 1_200 }],
  ['timeout', 10_000],
  ['lock', { key: 'a', ttl: 1_200 }],
  ['semaphore', { limit: 1, ttl: 1_200 }],
]

class Teapot extends Error {
  readonly status = 418
}

const thrown: readonly (readonly [what: string, fail: () => Reply | Promise<Reply>])[] = [
  ['throws', () => raise(new Error('no'))],
  ['rejects', async () => raise(new Error('no'))],
  [
    'rejects later',
    async () => {
      await sleep(20)
      return raise(new Error('no'))
    },
  ],
]

function raise(error: unknown): never {
  throw error
}

const rows: Row[] = [
  ...thrown.map(
    ([what, fail]): Row => ({
      name: `a handler that ${what} is answered 500, holds nothing any more, and a retry runs`,
      check: async ({ serve }) => {
        const service = await serve(every, (call) => (call.run === 1 ? fail() : json('done')))
        const failed = await service.client.post('/', { key: 'k' })
        expect([failed.status, failed.complete]).toEqual([500, true])
        const second = await service.client.post('/', { key: 'k' })
        expect(second.json()).toBe('done')
        expectReplay(await service.client.post('/', { key: 'k' }), second)
      },
    }),
  ),
  {
    name: 'a handler that throws what is no Error holds nothing any more, and a retry runs',
    check: async ({ serve, framework }) => {
      const service = await serve(every, (call) =>
        call.run === 1 ? raise('a text') : json('done'),
      )
      // Hono makes no answer of it: the server does.
      const failed = await service.client.post('/', { key: 'k' })
      expect([framework, failed.status]).toEqual([framework, 500])
      expect((await service.client.post('/', { key: 'k' })).json()).toBe('done')
    },
  },
  {
    name: 'an error that names a status is judged by that status',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], () => raise(new Teapot('short and stout')))
      const first = await service.client.post('/', { key: 'k' })
      expect(first.status).toBe(418)
      expectReplay(await service.client.post('/', { key: 'k' }), first)
      expect(service.runs()).toBe(1)
    },
  },
  ...(['stream', 'piped'] as const).map(
    (as): Row => ({
      name: `a handler that fails in the middle of ${as === 'piped' ? 'a pipeline' : 'a stream'} breaks it off, and nobody is told that it went well`,
      check: async ({ serve, framework }) => {
        const gate = deferred()
        async function* chunks() {
          yield 'half an '
          await gate.promise
          raise(new Error('no'))
        }
        const service = await serve(
          every,
          ({ run }): Reply => (run === 1 ? { as, chunks } : json('done')),
        )
        const sent = service.client.send({ key: 'k' })
        await sent.first
        gate.resolve()
        const broken = await sent.answer
        expect([broken.text, broken.complete]).toEqual(['half an ', false])
        if (framework === 'express' && as === 'stream') {
          // Express destroys the socket, as a client that leaves does: whether the handler has ended is not known.
          await eventually(async () => {
            expectProblem(await service.client.post('/', { key: 'k' }), problems.outcomeUnknown)
            return true
          })
        } else {
          const retry = await eventually(async () => {
            const answer = await service.client.post('/', { key: 'k' })
            return answer.status === 200 && answer
          })
          expect(retry.json()).toBe('done')
        }
      },
    }),
  ),
  {
    name: 'a handler that fails behind its first piece, in one turn, breaks the answer off',
    only: 'express',
    check: async ({ serve }) => {
      async function* chunks() {
        yield 'half an '
        raise(new Error('no'))
      }
      const service = await serve(every, () => ({ as: 'stream', chunks }))
      const broken = service.client.send({ key: 'k' })
      const answer = await broken.answer.catch(() => undefined)
      // What had not left yet may never: but nothing follows it as if the answer had begun anew.
      const { text: arrived, complete } = answer ?? { text: '', complete: false }
      expect(['', 'half an ']).toContain(arrived)
      expect(complete).toBe(false)
    },
  },
  {
    name: 'an answer that is thrown away looks like no success, and a retry runs',
    check: async ({ serve }) => {
      const service = await serve(
        every,
        ({ run }): Reply => (run === 1 ? { as: 'broken-off' } : json('done')),
      )
      const answer = await service.client.send({ key: 'k' }).answer.catch(() => undefined)
      // A server that has sent nothing yet may answer 500 instead.
      expect(answer?.complete && answer.status < 500).toBeFalsy()
      // The client knows of the break when it happens, and the store a moment later.
      const retry = await eventually(async () => {
        const each = await service.client.post('/', { key: 'k', alone: true })
        return each.status === 409 ? undefined : each
      })
      expect(retry.json()).toBe('done')
    },
  },
  {
    name: 'a handler that fails after its answer has run: its client gets that answer, and so does a retry',
    only: 'express',
    check: async ({ store, serveAll }) => {
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /': {
            guards: every,
            handler: () => json('done', 201),
            afterwards: () => raise(new Error('no')),
          },
        },
      })
      // Express breaks the connection off then; without a guard, nothing of the answer is left to wait for.
      store.always('records.commit', landsAfter(sleep(200)))
      const first = await service.client.post('/', { key: 'k' })
      expect([first.status, first.json(), first.complete]).toEqual([201, 'done', true])
      const retry = await eventually(async () => {
        const each = await service.client.post('/', { key: 'k', alone: true })
        return each.status === 409 ? undefined : each
      })
      expect([retry.status, retry.json()]).toEqual([201, 'done'])
      expect(service.runs()).toBe(1)
    },
  },
]

export const failures: RowGroup = { subject: 'handlers that fail', rows }
