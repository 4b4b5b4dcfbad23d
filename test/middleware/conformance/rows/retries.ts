// What a retry is answered, at every moment in the life of the first request.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Resolution } from '../../../../src/index.ts'
import type {
  IdempotencyGuardOptions,
  StoredAnswer,
} from '../../../../src/middleware/engine/index.ts'
import { deferred } from '../../../support/deferred.ts'
import { fails, hangs, landsAfter } from '../../../support/faulty-adapter.ts'
import type { Answered } from '../client.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectReplay } from '../replay.ts'
import { json, text } from '../reply.ts'
import type { Bench, Row, RowGroup } from '../row.ts'
import type { Asked, Call, Mount } from '../service.ts'

const STORED = [200, 201, 202, 204, 206, 301, 303, 400, 402, 404, 405, 406, 410, 412, 415, 422]
const NOT_STORED = [401, 403, 408, 409, 425, 429, 500, 501, 502, 503, 504]

/** A service whose first process never records the outcome: as good as killed. */
async function afterACrash(
  { store, otherProcess, serveAll }: Bench,
  options: IdempotencyGuardOptions<[Asked]>,
): Promise<{ retry(): Promise<Answered>; runs(): number }> {
  for (const call of ['records.renew', 'records.commit', 'records.drop'] as const) {
    store.always(call, hangs)
  }
  const guard = (provider: typeof store): Mount => [
    'idempotency',
    { provider, lease: 1_200, ...options },
  ]
  const routes = (provider: typeof store) => ({
    'POST /': {
      guards: [guard(provider)],
      handler: ({ run, holdfast }: Call) =>
        json({ run, recovered: holdfast.idempotency?.recovered }, 201),
    },
  })
  const dying = await serveAll({ routes: routes(store) })
  const living = await serveAll({ routes: routes(otherProcess()) })
  await dying.client.post('/', { key: 'k', body: { amount: 10 } })
  await sleep(1_400)
  return {
    retry: () => living.client.post('/', { key: 'k', body: { amount: 10 } }),
    runs: () => living.runs(),
  }
}

const rows: Row[] = [
  {
    name: 'a retry of a completed request gets the first answer, and the handler does not run',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ run }) => json({ payment: run }, 201))
      const first = await service.client.post('/', { key: 'k', body: { amount: 10 } })
      expect(first.json()).toEqual({ payment: 1 })
      for (let retry = 0; retry < 3; retry++) {
        expectReplay(await service.client.post('/', { key: 'k', body: { amount: 10 } }), first)
      }
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'the record is there before the last byte of the answer is, however slow the store',
    check: async ({ serve, store, otherProcess, serveAll }) => {
      store.always('records.commit', landsAfter(sleep(300)))
      const one = await serve([['idempotency']], () => json('done'))
      const two = await serveAll({
        use: [['requestScope', { provider: otherProcess() }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: () => json('again') } },
      })
      const first = await one.client.post('/', { key: 'k' })
      expectReplay(await two.client.post('/', { key: 'k' }), first)
      expect(two.runs()).toBe(0)
    },
  },
  {
    name: 'while the first runs, a retry is told to come again, and is then a replay',
    check: async ({ serve }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['idempotency']], async () => {
        begun.resolve()
        await gate.promise
        return json('done', 201)
      })
      const running = service.client.send({ key: 'k' })
      await begun.promise
      const early = await service.client.post('/', { key: 'k' })
      expectProblem(early, problems.inProgress)
      expect(early.headers['retry-after']).toBe('1')
      gate.resolve()
      expectReplay(await service.client.post('/', { key: 'k' }), await running.answer)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'of many identical requests at once, one runs; the others conflict or replay',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], async ({ run }) => {
        await sleep(20)
        return json({ run }, 201)
      })
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => service.client.post('/', { key: 'k', body: { a: 1 } })),
      )
      expect(service.runs()).toBe(1)
      for (const answer of answers) {
        if (answer.status === 201) expect(answer.json()).toEqual({ run: 1 })
        else expectProblem(answer, problems.inProgress)
      }
      expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThan(0)
    },
  },
  {
    name: 'another payload under the same key is refused, while the first runs and afterwards',
    check: async ({ serve }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['idempotency']], async () => {
        begun.resolve()
        await gate.promise
        return json({ secret: 'of the first' }, 201)
      })
      const running = service.client.send({ key: 'k', body: { amount: 10 } })
      await begun.promise
      expectProblem(
        await service.client.post('/', { key: 'k', body: { amount: 11 } }),
        problems.mismatch,
      )
      gate.resolve()
      const first = await running.answer
      const late = await service.client.post('/', { key: 'k', body: { amount: 11 } })
      expectProblem(late, problems.mismatch)
      expect(late.text).not.toContain('secret')
      // The mismatch has not spoilt the record.
      expectReplay(await service.client.post('/', { key: 'k', body: { amount: 10 } }), first)
      expect(service.runs()).toBe(1)
    },
  },
  ...STORED.map(
    (status): Row => ({
      name: `${status} is for good: a retry gets it again`,
      check: async ({ serve }) => {
        const service = await serve([['idempotency']], () =>
          status === 204 ? { as: 'empty', status } : json({ status }, status),
        )
        const first = await service.client.post('/', { key: 'k' })
        expect(first.status).toBe(status)
        expectReplay(await service.client.post('/', { key: 'k' }), first)
        expect(service.runs()).toBe(1)
      },
    }),
  ),
  ...NOT_STORED.map(
    (status): Row => ({
      name: `${status} is not for good: a retry runs`,
      check: async ({ serve }) => {
        const service = await serve([['idempotency']], ({ run }) =>
          run === 1 ? text('not now', status) : json('done'),
        )
        expect((await service.client.post('/', { key: 'k' })).status).toBe(status)
        const second = await service.client.post('/', { key: 'k' })
        expect(second.json()).toBe('done')
        expectReplay(await service.client.post('/', { key: 'k' }), second)
        expect(service.runs()).toBe(2)
      },
    }),
  ),
  {
    name: 'without a key a request passes, and nothing is stored',
    check: async ({ serve, store }) => {
      const service = await serve([['idempotency']], ({ run, holdfast }) =>
        json({ run, idempotency: holdfast.idempotency }),
      )
      await service.client.post('/')
      expect((await service.client.post('/')).json()).toEqual({ run: 2 })
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'without a required key a request is refused, with a link to the documentation',
    check: async ({ serve }) => {
      const service = await serve(
        [['idempotency', { required: true, docsUrl: 'https://shop.example/idempotency' }]],
        () => json('ran'),
      )
      const answer = await service.client.post('/')
      expectProblem(answer, problems.keyMissing)
      expect(answer.headers.link).toBe('<https://shop.example/idempotency>; rel="describedby"')
      expect(service.runs()).toBe(0)
    },
  },
  ...['GET', 'PUT', 'DELETE'].map(
    (method): Row => ({
      name: `${method} is left alone, with a key and without, also where a key is required`,
      check: async ({ serveAll, store }) => {
        const service = await serveAll({
          use: [
            ['requestScope', { provider: store }],
            ['idempotency', { required: true }],
          ],
          routes: { [`${method} /`]: { handler: ({ run }: Call) => json(run) } },
        })
        await service.client.request({ method, key: 'k' })
        const again = await service.client.request({ method, key: 'k' })
        expect(again.json()).toBe(2)
        expect(again.headers['idempotent-replayed']).toBeUndefined()
        expect((await service.client.request({ method })).status).toBe(200)
        expect(store.calls).toEqual([])
      },
    }),
  ),
  {
    name: 'HEAD and OPTIONS are left alone',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['idempotency', { required: true }],
        ],
        routes: {
          'GET /': { handler: () => text('hello') },
          'OPTIONS /': { handler: () => ({ as: 'empty', status: 204 }) },
        },
      })
      const head = await service.client.request({ method: 'HEAD', key: 'k' })
      expect([head.status, head.text]).toEqual([200, ''])
      const options = await service.client.request({ method: 'OPTIONS', key: 'k' })
      expect(options.status).toBe(204)
      expect(store.calls).toEqual([])
    },
  },
  {
    name: '`methods` says which methods are guarded instead',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['idempotency', { methods: ['put'] }],
        ],
        routes: {
          'PUT /': { handler: ({ run }) => json(run) },
          'POST /': { handler: ({ run }) => json(run) },
        },
      })
      const first = await service.client.request({ method: 'PUT', key: 'k' })
      expectReplay(await service.client.request({ method: 'PUT', key: 'k' }), first)
      await service.client.post('/', { key: 'k' })
      expect((await service.client.post('/', { key: 'k' })).json()).toBe(2)
    },
  },
  {
    name: 'an answer is forgotten when its `ttl` is over',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { ttl: 1_200, lease: 1_200 }]], ({ run }) =>
        json(run),
      )
      await service.client.post('/', { key: 'k' })
      expect((await service.client.post('/', { key: 'k' })).json()).toBe(1)
      await sleep(1_400)
      expect((await service.client.post('/', { key: 'k' })).json()).toBe(2)
    },
  },
  {
    name: 'a handler that runs for longer than the lease keeps its claim',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { lease: 1_200 }]], async ({ run }) => {
        await sleep(2_000)
        return json(run)
      })
      const first = service.client.send({ key: 'k' })
      await sleep(1_600)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      expectReplay(
        await first.answer.then(() => service.client.post('/', { key: 'k' })),
        await first.answer,
      )
    },
  },
  {
    name: 'after a crash in mid-execution nobody runs again: the outcome is unknown',
    check: async (bench) => {
      const { retry, runs } = await afterACrash(bench, {})
      expectProblem(await retry(), problems.outcomeUnknown)
      expectProblem(await retry(), problems.outcomeUnknown)
      expect(runs()).toBe(0)
    },
  },
  {
    name: 'with `takeover` the next retry runs after a crash, and its handler is told',
    check: async (bench) => {
      const { retry, runs } = await afterACrash(bench, { takeover: true })
      const second = await retry()
      expect(second.json()).toEqual({ run: 1, recovered: true })
      expectReplay(await retry(), second)
      expect(runs()).toBe(1)
    },
  },
  {
    name: '`recover` settles a crash with the answer that it finds, and nothing runs',
    check: async (bench) => {
      const asked: unknown[] = []
      const { retry, runs } = await afterACrash(bench, {
        recover: (key, lost, request) => {
          asked.push([key, lost.startedAt instanceof Date, request.path])
          return { value: { status: 201, headers: [['x-found', 'yes']], body: 'found' } }
        },
      })
      const second = await retry()
      expect([second.status, second.text]).toEqual([201, 'found'])
      expect(second.headers['idempotent-replayed']).toBe('true')
      expect((await retry()).text).toBe('found')
      expect(asked).toEqual([['k', true, '/']])
      expect(runs()).toBe(0)
    },
  },
  {
    name: '`recover` may have it run again, or leave it unknown',
    check: async (bench) => {
      const verdicts: Resolution<StoredAnswer>[] = [undefined, { retry: true }]
      const { retry } = await afterACrash(bench, { recover: () => verdicts.shift() })
      expectProblem(await retry(), problems.outcomeUnknown)
      expect((await retry()).json()).toEqual({ run: 1, recovered: true })
    },
  },
  {
    name: 'an answer whose record could not be written is sent; its retry is never a second run',
    check: async ({ serve, store, otherProcess, serveAll }) => {
      store.always('records.commit', fails(new Error('The disk is full')))
      const one = await serve([['idempotency', { lease: 1_200 }]], () => json('done', 201))
      const two = await serveAll({
        use: [['requestScope', { provider: otherProcess() }]],
        routes: { 'POST /': { guards: [['idempotency']], handler: () => json('twice') } },
      })
      const first = await one.client.post('/', { key: 'k' })
      expect([first.status, first.json()]).toEqual([201, 'done'])
      expect(store.events.map(({ name }) => name)).toContain('holdfast.idempotency.commit_failed')
      expectProblem(await two.client.post('/', { key: 'k' }), problems.inProgress)
      await sleep(1_400)
      expectProblem(await two.client.post('/', { key: 'k' }), problems.outcomeUnknown)
      expect(two.runs()).toBe(0)
    },
  },
  {
    name: 'the header that marks a replay may have another name',
    check: async ({ serve }) => {
      const service = await serve([['idempotency', { replayHeader: 'X-Replay' }]], () =>
        json('done'),
      )
      await service.client.post('/', { key: 'k' })
      const again = await service.client.post('/', { key: 'k' })
      expect(again.headers['x-replay']).toBe('true')
      expect(again.headers['idempotent-replayed']).toBeUndefined()
    },
  },
  {
    name: 'a handler sees its key, and that it recovers nothing',
    check: async ({ serve }) => {
      const service = await serve([['idempotency']], ({ holdfast }) => json(holdfast.idempotency))
      const answer = await service.client.post('/', { key: 'k-1' })
      expect(answer.json()).toEqual({ key: 'k-1', replayed: false, recovered: false })
    },
  },
]

export const retries: RowGroup = { subject: 'retries of an idempotent request', rows }
