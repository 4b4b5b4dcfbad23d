// Answers that flow: nothing holds them up, nothing keeps them, and nobody makes them twice.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { landsAfter } from '../../../support/faulty-adapter.ts'
import { expectProblem, problems } from '../problem.ts'
import { json, type Reply } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const every: readonly Mount[] = [
  ['idempotency'],
  ['timeout', 10_000],
  ['lock', { key: 'a' }],
  ['semaphore', { limit: 1 }],
]

const ways = ['stream', 'piped', 'events'] as const

const named = { stream: 'a slow stream', piped: 'a pipeline', events: 'server-sent events' }

const rows: Row[] = [
  ...ways.map(
    (as): Row => ({
      name: `${named[as]}: the first chunk arrives before the last is made, the last when that is recorded, and a retry never runs`,
      check: async ({ serve, store }) => {
        const gate = deferred()
        async function* chunks() {
          yield 'first'
          await gate.promise
          yield 'last'
        }
        store.always('records.commit', landsAfter(sleep(300)))
        const service = await serve(every, () => ({ as, chunks }))
        const sent = service.client.send({ key: 'k' })
        expect(await sent.first).toContain('first')
        expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
        gate.resolve()
        expect((await sent.answer).complete).toBe(true)
        expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
        expect(service.runs()).toBe(1)
      },
    }),
  ),
  ...ways.map(
    (as): Row => ({
      name: `${named[as]}: a lock is held until the last chunk`,
      check: async ({ serve }) => {
        const gate = deferred()
        async function* chunks() {
          yield 'first'
          await gate.promise
          yield 'last'
        }
        const service = await serve([['lock', { key: 'a' }]], ({ run }) =>
          run === 1 ? { as, chunks } : json('next'),
        )
        const sent = service.client.send({})
        await sent.begun
        expectProblem(await service.client.post('/'), problems.locked)
        gate.resolve()
        await sent.answer
        await eventually(async () => (await service.client.post('/')).status === 200)
      },
    }),
  ),
  {
    name: 'a stream of many megabytes arrives whole, to a client that reads slowly too',
    check: async ({ serve }) => {
      const chunk = 'x'.repeat(64 * 1024)
      async function* chunks() {
        for (let at = 0; at < 64; at++) {
          yield chunk
          if (at % 16 === 0) await sleep(1)
        }
      }
      const service = await serve(every, () => ({ as: 'stream', chunks }))
      const sent = service.client.send({ key: 'k' })
      const incoming = await sent.begun
      incoming.pause()
      await sleep(50)
      incoming.resume()
      const answer = await sent.answer
      expect([answer.bytes.length, answer.complete]).toEqual([64 * chunk.length, true])
      expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
    },
  },
  {
    name: 'a slow stream whose announced length is beyond `maxAnswerBytes` flows',
    check: async ({ serve }) => {
      const gate = deferred()
      async function* chunks() {
        yield 'x'.repeat(600)
        await gate.promise
        yield 'x'.repeat(600)
      }
      const service = await serve([['idempotency', { maxAnswerBytes: 1_000 }]], () => ({
        as: 'stream',
        chunks,
        length: 1_200,
      }))
      const sent = service.client.send({ key: 'k' })
      expect(await sent.first).toHaveLength(600)
      gate.resolve()
      expect((await sent.answer).bytes).toHaveLength(1_200)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.notReplayable)
    },
  },
  {
    name: 'a slow stream of announced length flows where nobody keeps it',
    check: async ({ serve }) => {
      const gate = deferred()
      async function* chunks() {
        yield 'first'
        await gate.promise
        yield 'last'
      }
      const service = await serve([['lock', { key: 'a' }]], () => ({
        as: 'stream',
        chunks,
        length: 9,
      }))
      const sent = service.client.send({})
      expect(await sent.first).toBe('first')
      gate.resolve()
      expect((await sent.answer).text).toBe('firstlast')
    },
  },
  {
    name: 'the status of a stream counts: a failed one is not kept, so that a retry runs',
    check: async ({ serve }) => {
      async function* chunks() {
        yield 'not '
        await sleep(20)
        yield 'now'
      }
      const service = await serve(
        [['idempotency']],
        ({ run }): Reply => (run === 1 ? { as: 'stream', chunks, status: 503 } : json('done')),
      )
      expect((await service.client.post('/', { key: 'k' })).status).toBe(503)
      expect((await service.client.post('/', { key: 'k' })).json()).toBe('done')
    },
  },
]

export const streams: RowGroup = { subject: 'answers that flow', rows }
