// What a retry is answered, at every moment in the life of the first request.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Resolution } from '../../../../src/index.ts'
import type {
  IdempotencyGuardOptions,
  StoredAnswer,
} from '../../../../src/middleware/engine/index.ts'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
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
    name: 'with `wait` a retry waits for the first answer, in this process and in another, and is its replay',
    check: async ({ serve, serveAll, otherProcess }) => {
      const gate = deferred()
      const begun = deferred()
      const guard: Mount = ['idempotency', { wait: 10_000 }]
      const one = await serve([guard], async () => {
        begun.resolve()
        await gate.promise
        return json('done', 201)
      })
      const other = otherProcess()
      const two = await serveAll({
        use: [['requestScope', { provider: other }]],
        routes: { 'POST /': { guards: [guard], handler: () => json('twice') } },
      })
      const running = one.client.send({ key: 'k' })
      await begun.promise
      const waiting = [one, two].map(({ client }) => client.post('/', { key: 'k' }))
      await eventually(() => other.calls.length > 1, { what: 'the other process asks again' })
      gate.resolve()
      for (const again of waiting) expectReplay(await again, await running.answer)
      expect([one.runs(), two.runs()]).toEqual([1, 0])
    },
  },
  {
    name: 'once `wait` is over, a retry is told to come again',
    check: async ({ serve }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['idempotency', { wait: 200 }]], async () => {
        begun.resolve()
        await gate.promise
        return json('done')
      })
      const running = service.client.send({ key: 'k' })
      await begun.promise
      const asked = performance.now()
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      expect(performance.now() - asked).toBeGreaterThanOrEqual(199)
      gate.resolve()
      await running.answer
    },
  },
  {
    name: 'a retry that waits for a request which leaves nothing runs itself; another payload does not wait',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['idempotency', { wait: 10_000 }]], async ({ run }) => {
        begun.resolve()
        if (run > 1) return json('done')
        await gate.promise
        return text('not now', 503)
      })
      const running = service.client.send({ key: 'k', body: { a: 1 } })
      await begun.promise
      const waiting = service.client.send({ key: 'k', body: { a: 1 } })
      await eventually(() => store.calls.length > 2)
      const mismatch = await service.client.post('/', { key: 'k', body: { a: 2 } })
      expectProblem(mismatch, problems.mismatch)
      gate.resolve()
      expect((await running.answer).status).toBe(503)
      expect((await waiting.answer).json()).toBe('done')
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'a client that leaves while it waits for the first answer asks the store no more, and runs nothing',
    check: async ({ serve, store }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve([['idempotency', { wait: 10_000 }]], async () => {
        begun.resolve()
        await gate.promise
        return text('not now', 503)
      })
      const running = service.client.send({ key: 'k' })
      await begun.promise
      const waiting = service.client.send({ key: 'k' })
      await eventually(() => store.calls.length > 2)
      waiting.leave()
      // As long as the longest pause between two questions.
      await sleep(1_100)
      const asked = store.calls.length
      gate.resolve()
      await running.answer
      await sleep(1_100)
      expect(store.calls.slice(asked)).toEqual(['records.drop'])
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
  ...[500, 502, 503].map(
    (status): Row => ({
      name: `with \`storeServerErrors\` ${status} is for good as well: a retry gets it again`,
      check: async ({ serve }) => {
        const service = await serve([['idempotency', { storeServerErrors: true }]], () =>
          json({ status }, status),
        )
        const first = await service.client.post('/', { key: 'k' })
        expect(first.status).toBe(status)
        expectReplay(await service.client.post('/', { key: 'k' }), first)
        expect(service.runs()).toBe(1)
      },
    }),
  ),
  {
    name: 'with `storeServerErrors` a thrown error is for good too; a 429 and the refusal of an inner guard are not',
    check: async ({ serve, store }) => {
      const service = await serve(
        [
          ['idempotency', { storeServerErrors: true }],
          ['lock', { key: 'a' }],
        ],
        ({ run, header }) => {
          if (header('x-throw')) throw new Error('out of order')
          return run < 4 ? text('not now', 429) : json('done')
        },
      )
      const failing = { key: 'one', headers: { 'x-throw': 'yes' } }
      const first = await service.client.post('/', failing)
      expect(first.status).toBe(500)
      const again = await service.client.post('/', failing)
      expect([again.status, again.text, again.headers['idempotent-replayed']]).toEqual([
        500,
        first.text,
        'true',
      ])
      expect((await service.client.post('/', { key: 'two' })).status).toBe(429)
      expect((await service.client.post('/', { key: 'two' })).status).toBe(429)
      store.always('grants.acquire', fails(new Error('gone')))
      const refused = await service.client.post('/', { key: 'two' })
      expectProblem(refused, problems.storeUnavailable)
      store.always('grants.acquire', undefined)
      expect((await service.client.post('/', { key: 'two' })).json()).toBe('done')
    },
  },
  {
    name: "with `commit: 'after'` the answer does not wait for its record, which is there soon",
    check: async ({ serve, store }) => {
      const gate = deferred()
      store.always('records.commit', landsAfter(gate.promise))
      const service = await serve([['idempotency', { commit: 'after' }]], ({ run }) => json(run))
      const first = await service.client.post('/', { key: 'k' })
      expect(first.json()).toBe(1)
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      gate.resolve()
      const again = await eventually(async () => {
        const answer = await service.client.post('/', { key: 'k' })
        return answer.status === 200 && answer
      })
      expectReplay(again, first)
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: "with `commit: 'after'` a refusal is answered as ever, and a record that cannot be written is an event",
    check: async ({ serve, store }) => {
      store.always('records.commit', fails(new Error('The disk is full')))
      const service = await serve([['idempotency', { commit: 'after', required: true }]], () =>
        json('done', 201),
      )
      expectProblem(await service.client.post('/'), problems.keyMissing)
      expect((await service.client.post('/', { key: 'k' })).status).toBe(201)
      await eventually(() =>
        store.events.some(({ name }) => name === 'holdfast.idempotency.commit_failed'),
      )
      expectProblem(await service.client.post('/', { key: 'k' }), problems.inProgress)
      expect(service.runs()).toBe(1)
    },
  },
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
    name: 'every refusal links to the documentation, and says what is the matter',
    check: async ({ serve }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve(
        [['idempotency', { required: true, docsUrl: 'https://shop.example/idempotency' }]],
        async () => {
          begun.resolve()
          await gate.promise
          return json('ran')
        },
      )
      const running = service.client.send({ key: 'k' })
      await begun.promise
      const refusals = [
        [await service.client.post('/'), problems.keyMissing],
        [await service.client.post('/', { key: 'a b' }), problems.keyInvalid],
        [await service.client.post('/', { key: 'k' }), problems.inProgress],
        [await service.client.post('/', { key: 'k', body: { a: 1 } }), problems.mismatch],
      ] as const
      for (const [answer, problem] of refusals) {
        expectProblem(answer, problem)
        expect(answer.headers.link).toBe('<https://shop.example/idempotency>; rel="describedby"')
      }
      gate.resolve()
      expect((await running.answer).headers.link).toBeUndefined()
      expect(service.runs()).toBe(1)
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
    name: 'a `recover` that answers no answer is a fault of the application, and leaves the outcome unknown',
    check: async (bench) => {
      const verdicts = [{ value: 'found' }, { value: { status: 99, headers: [], body: '' } }]
      const { retry, runs } = await afterACrash(bench, {
        recover: () => verdicts.pop() as Resolution<StoredAnswer>,
      })
      expect([(await retry()).status, (await retry()).status]).toEqual([500, 500])
      expectProblem(await retry(), problems.outcomeUnknown)
      expect(runs()).toBe(0)
    },
  },
  {
    name: 'what `recover` finds is replayed without the headers that belong to nobody else',
    check: async (bench) => {
      const headers: StoredAnswer['headers'] = [
        ['Set-Cookie', 'session=secret'],
        ['Date', 'yesterday'],
        ['Location', '/p1'],
      ]
      const { retry } = await afterACrash(bench, {
        recover: () => ({ value: { status: 201, headers, body: 'AP8=', encoding: 'base64' } }),
      })
      const answer = await retry()
      expect([answer.status, [...answer.bytes]]).toEqual([201, [0, 255]])
      expect([answer.headers.location, answer.headers['set-cookie']]).toEqual(['/p1', undefined])
      expect(answer.headers.date).not.toBe('yesterday')
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
