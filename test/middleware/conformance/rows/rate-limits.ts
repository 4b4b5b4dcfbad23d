// The rate limit guard: who is refused, what every answer says of what is left, and what a request spends.

import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { deferred } from '../../../support/deferred.ts'
import { eventually } from '../../../support/eventually.ts'
import { expectProblem, problems } from '../problem.ts'
import { expectViolated, quotaOf } from '../quota.ts'
import { json, type Reply, text } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import type { Mount } from '../service.ts'

const HOUR = 3_600_000

async function* chunks(): AsyncGenerator<string> {
  yield 'a'
  await sleep(5)
  yield 'b'
}

const file = join(tmpdir(), 'holdfast-rate-limit.txt')

/** Every way to answer that a client can see whole. */
const kinds: readonly (readonly [name: string, reply: Reply])[] = [
  ['JSON', json('ran')],
  ['text', text('ran')],
  ['bytes', { as: 'bytes', bytes: new Uint8Array([1, 2]) }],
  ['a raw response', { as: 'end', text: 'ran' }],
  ['nothing', { as: 'empty', status: 204 }],
  ['304', { as: 'empty', status: 304 }],
  ['a redirect', { as: 'redirect', to: '/elsewhere', status: 302 }],
  ['pieces', { as: 'pieces', pieces: ['a', 'b'] }],
  ['a stream', { as: 'stream', chunks }],
  ['a pipeline', { as: 'piped', chunks }],
  ['server-sent events', { as: 'events', chunks }],
  ['a file', { as: 'file', path: file }],
  ['a head of an object', { as: 'head', form: 'object', text: 'ran', headers: [['x-own', '1']] }],
  ['a head of pairs', { as: 'head', form: 'pairs', text: 'ran', headers: [['x-own', '1']] }],
  ['a flat head', { as: 'head', form: 'flat', text: 'ran', headers: [['x-own', '1']] }],
  ['an error of its own', json('sorry', 500)],
]

const api: Mount = ['rateLimit', { name: 'api', limit: 10, window: 60_000 }]
const expected = {
  policies: [{ name: 'api', q: 10, w: 60 }],
  left: [{ name: 'api', r: 9, t: 6 }],
}

const rows: Row[] = [
  {
    name: 'a request within the limit passes, and its answer says what the limit is and what is left',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { name: 'api', limit: 3, window: HOUR }]],
        ({ holdfast }) => json(holdfast.rateLimit?.remaining),
      )
      for (const left of [2, 1, 0]) {
        const answer = await service.client.post('/')
        expect([answer.status, answer.json()]).toEqual([200, left])
        expect(quotaOf(answer)).toEqual({
          policies: [{ name: 'api', q: 3, w: 3600 }],
          left: [{ name: 'api', r: left, t: (3 - left) * 1200 }],
        })
        expect(answer.headers['retry-after']).toBeUndefined()
      }
    },
  },
  ...kinds.map(
    ([kind, reply]): Row => ({
      name: `an answer says what is left, also when it is ${kind}`,
      check: async ({ serve }) => {
        if (reply.as === 'file') writeFileSync(file, 'ran')
        const service = await serve([api], () => reply)
        const answer = await service.client.post('/')
        expect(answer.status).toBe(reply.status ?? 200)
        expect(quotaOf(answer)).toEqual(expected)
        expect(answer.complete).toBe(true)
      },
    }),
  ),
  {
    name: 'an answer says what is left, also when the handler throws',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [['requestScope', { provider: store }], api],
        routes: {
          'POST /': {
            handler: () => {
              throw new Error('broken')
            },
          },
        },
      })
      const answer = await service.client.post('/')
      expect(answer.status).toBe(500)
      expect(quotaOf(answer)).toEqual(expected)
    },
  },
  {
    name: 'an answer says what is left, also to HEAD, and to a path that is not there',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [['requestScope', { provider: store }], api],
        routes: { 'GET /': { handler: () => json('ran') } },
      })
      const head = await service.client.request({ method: 'HEAD', path: '/' })
      expect([head.status, head.text, quotaOf(head)]).toEqual([200, '', expected])
      const missing = await service.client.get('/nowhere')
      expect([missing.status, quotaOf(missing).left[0]?.r]).toEqual([404, 8])
    },
  },
  {
    name: 'an answer says what is left, also when another guard makes it',
    check: async ({ serve }) => {
      const begun = deferred()
      const gate = deferred()
      const service = await serve([api, ['timeout', 500], ['lock', { key: 'a' }]], async () => {
        begun.resolve()
        await gate.promise
        return json('too late')
      })
      const first = service.client.send({})
      await begun.promise
      const locked = await service.client.post('/')
      const late = await first.answer
      gate.resolve()
      expectProblem(locked, problems.locked)
      expectProblem(late, problems.timeout)
      expect([quotaOf(late).left[0]?.r, quotaOf(locked).left[0]?.r]).toEqual([9, 8])
    },
  },
  {
    name: 'an answer says what is left, also when an option of a guard further in throws',
    check: async ({ serve }) => {
      const key = (): string => {
        throw new Error('no tenant')
      }
      const service = await serve(
        [['protect', { rateLimit: { name: 'api', limit: 10, window: 60_000 }, lock: { key } }]],
        () => json('ran'),
      )
      const answer = await service.client.post('/')
      expect([answer.status, quotaOf(answer)]).toEqual([500, expected])
    },
  },
  {
    name: 'limits of requests and of permits are members of one list, in the order of the guards',
    check: async ({ serve }) => {
      const service = await serve(
        [
          [
            'protect',
            {
              semaphore: { name: 'inside', limit: 2, perClient: true },
              rateLimit: { name: 'api', limit: 10, window: 60_000 },
            },
          ],
        ],
        () => json('ran'),
      )
      expect(quotaOf(await service.client.post('/')).policies).toEqual([
        { name: 'api', q: 10, w: 60 },
        { name: 'inside', q: 2, qu: 'concurrent-requests' },
      ])
    },
  },
  {
    name: 'several limits are members of one list, the outer ones first',
    check: async ({ serve }) => {
      const service = await serve(
        [
          ['rateLimit', { name: 'all', limit: 100, window: HOUR, key: 'everybody' }],
          ['rateLimit', { name: 'mine', limit: 5, window: 60_000 }],
        ],
        () => ({ as: 'end', text: 'ran' }),
      )
      const answer = await service.client.post('/')
      expect(answer.all('ratelimit')).toHaveLength(1)
      expect(quotaOf(answer)).toEqual({
        policies: [
          { name: 'all', q: 100, w: 3600 },
          { name: 'mine', q: 5, w: 60 },
        ],
        left: [
          { name: 'all', r: 99, t: 36 },
          { name: 'mine', r: 4, t: 12 },
        ],
      })
    },
  },
  {
    name: 'a request beyond the limit is answered 429, and the handler does not run',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { name: 'api', limit: 1, window: 90_000 }]],
        ({ run }) => json(run),
      )
      await service.client.post('/')
      for (let again = 0; again < 3; again++) {
        const refused = await service.client.post('/')
        expectProblem(refused, problems.quotaExceeded)
        expectViolated(refused, 'api')
        const retryAfter = Number(refused.headers['retry-after'])
        expect(retryAfter).toBeGreaterThan(80)
        expect(retryAfter).toBeLessThanOrEqual(90)
        expect(quotaOf(refused)).toEqual({
          policies: [{ name: 'api', q: 1, w: 90 }],
          left: [{ name: 'api', r: 0, t: retryAfter }],
        })
      }
      expect(service.runs()).toBe(1)
    },
  },
  {
    name: 'several rules are one decision: Retry-After is that of the longest refusal, and the others are charged nothing',
    check: async ({ serve }) => {
      const rules = [
        { name: 'second', limit: 3, window: 1_000 },
        { name: 'minute', limit: 2, window: 60_000 },
        { name: 'hour', limit: 2, window: HOUR },
      ]
      const service = await serve([['rateLimit', { name: 'api', rules }]], () => json('ran'))
      await service.client.post('/')
      await service.client.post('/')
      const refused = await service.client.post('/')
      expectProblem(refused, problems.quotaExceeded)
      expectViolated(refused, 'minute', 'hour')
      expect(refused.headers['retry-after']).toBe('1800')
      const [second] = quotaOf(refused).left
      expect(second).toMatchObject({ name: 'second', r: expect.any(Number) })
      expect(second?.r).toBeGreaterThan(0)
      expect(second?.t).toBeUndefined()
    },
  },
  {
    name: 'Retry-After suffices: whoever waits for it gets in',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { limit: 10, window: 7_000, burst: 1 }]],
        ({ run }) => json(run),
      )
      await service.client.post('/')
      const refused = await service.client.post('/')
      expectProblem(refused, problems.quotaExceeded)
      await sleep(Number(refused.headers['retry-after']) * 1_000)
      expect((await service.client.post('/')).json()).toBe(2)
    },
  },
  {
    name: 'a window of less than a second ends too, however often a client that is refused tries again',
    check: async ({ serve }) => {
      const service = await serve([['rateLimit', { limit: 1, window: 900 }]], () => json('ran'))
      const began = performance.now()
      await service.client.post('/')
      let tries = 0
      await eventually(async () => ++tries && (await service.client.post('/')).status === 200)
      expect(tries).toBeGreaterThan(1)
      expect(performance.now() - began).toBeGreaterThan(890)
    },
  },
  {
    name: 'a limit holds over all processes that share the store',
    check: async (bench) => {
      const limited: Mount = ['rateLimit', { name: 'api', limit: 2, window: HOUR }]
      const service = await bench.serve([limited], () => json('ran'))
      const other = await bench.serveAll({
        use: [['requestScope', { provider: bench.otherProcess() }], limited],
        routes: { 'POST /': { handler: () => json('ran') } },
      })
      expect((await service.client.post('/')).status).toBe(200)
      expect((await other.client.post('/')).status).toBe(200)
      expectProblem(await service.client.post('/'), problems.quotaExceeded)
      expectProblem(await other.client.post('/'), problems.quotaExceeded)
    },
  },
  {
    name: 'requests that come at once are admitted exactly as often as the limit says',
    check: async ({ serve }) => {
      const service = await serve([['rateLimit', { limit: 5, window: HOUR }]], () => json('ran'))
      const answers = await Promise.all(Array.from({ length: 25 }, () => service.client.post('/')))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(20)
      expect(service.runs()).toBe(5)
    },
  },
  {
    name: 'whom to limit, how much, and what a request costs may come from the request',
    check: async ({ serve }) => {
      const service = await serve(
        [
          [
            'rateLimit',
            {
              name: 'api',
              window: HOUR,
              key: async ({ header }) => header('x-tenant') ?? 'none',
              limit: async ({ header }) => (header('x-tenant') === 'large' ? 20 : 2),
              cost: ({ header }) => Number(header('x-cost') ?? 1),
            },
          ],
        ],
        () => json('ran'),
      )
      const send = async (tenant: string, cost: number) =>
        service.client.post('/', { headers: { 'x-tenant': tenant, 'x-cost': `${cost}` } })
      const large = await send('large', 15)
      expect(quotaOf(large)).toMatchObject({ policies: [{ q: 20 }], left: [{ r: 5 }] })
      expect(quotaOf(await send('small', 2))).toMatchObject({
        policies: [{ q: 2 }],
        left: [{ r: 0 }],
      })
      expectProblem(await send('small', 1), problems.quotaExceeded)
      expectProblem(await send('large', 6), problems.quotaExceeded)
      expect((await send('large', 5)).status).toBe(200)
    },
  },
  {
    name: 'a limit of Infinity is none, and a limit that changes keeps what share of it was spent',
    check: async ({ serve }) => {
      let limit = 4
      const service = await serve([['rateLimit', { window: HOUR, limit: () => limit }]], () =>
        json('ran'),
      )
      await service.client.post('/')
      await service.client.post('/')
      limit = 2
      expect(quotaOf(await service.client.post('/')).left).toMatchObject([{ r: 0 }])
      expectProblem(await service.client.post('/'), problems.quotaExceeded)
      limit = Number.POSITIVE_INFINITY
      const free = await service.client.post('/')
      expect([free.status, quotaOf(free)]).toEqual([200, { policies: [], left: [] }])
    },
  },
  {
    name: 'a key that is no name is a fault of the application: nobody is limited together with everybody',
    check: async ({ serve }) => {
      for (const key of ['', undefined]) {
        const service = await serve(
          [['rateLimit', { limit: 1, window: HOUR, key: () => key as string }]],
          () => json('ran'),
        )
        expect((await service.client.post('/')).status).toBe(500)
        expect(service.runs()).toBe(0)
      }
    },
  },
  {
    name: 'a long key is one key, and the store keeps little of it',
    check: async ({ serve, store }) => {
      const service = await serve(
        [
          [
            'rateLimit',
            { name: 'api', limit: 1, window: HOUR, key: ({ header }) => header('x-key') ?? '' },
          ],
        ],
        () => json('ran'),
      )
      const send = (end: string) =>
        service.client.post('/', { headers: { 'x-key': 'k'.repeat(5_000) + end } })
      expect((await send('a')).status).toBe(200)
      expectProblem(await send('a'), problems.quotaExceeded)
      expect((await send('b')).status).toBe(200)
      expect(store.calls.filter((call) => call === 'rates.consume')).toHaveLength(3)
    },
  },
  {
    name: 'with `timeout` a request waits for its turn, and is refused when that would take longer',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { name: 'api', limit: 1, window: 1_000, burst: 1, timeout: 1_500 }]],
        () => json(performance.now()),
      )
      const answers = await Promise.all(Array.from({ length: 4 }, () => service.client.post('/')))
      const passed = answers.filter(({ status }) => status === 200)
      const refused = answers.filter(({ status }) => status !== 200)
      const times = passed.map((each) => each.json<number>()).toSorted((a, b) => a - b)
      expect(passed.length).toBeGreaterThanOrEqual(2)
      expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900)
      expect(refused.length).toBeGreaterThanOrEqual(1)
      for (const each of refused) expectProblem(each, problems.quotaExceeded)
      for (const each of passed) expect(quotaOf(each).policies).toHaveLength(1)
    },
  },
  {
    name: 'with `timeout: Infinity` a request waits for as long as its turn takes',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { limit: 5, window: 1_000, burst: 1, timeout: Number.POSITIVE_INFINITY }]],
        () => json('ran'),
      )
      const answers = await Promise.all(Array.from({ length: 3 }, () => service.client.post('/')))
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    },
  },
  {
    name: 'no more than `maxWaiters` requests wait for their turn, and one more is told to come again',
    check: async ({ serve, store }) => {
      const service = await serve(
        [
          [
            'rateLimit',
            { limit: 1, window: HOUR, timeout: Number.POSITIVE_INFINITY, maxWaiters: 1 },
          ],
        ],
        () => json('ran'),
      )
      await service.client.post('/')
      const waiting = service.client.send({ alone: true })
      await eventually(() => store.calls.filter((call) => call === 'rates.consume').length === 2)
      expectProblem(await service.client.post('/'), problems.full)
      waiting.leave()
    },
  },
  {
    name: 'a client that leaves while it waits for its turn makes room for the next one, and never runs',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { limit: 2, window: 1_000, burst: 1, timeout: 10_000 }]],
        ({ run }) => json(run),
      )
      await service.client.post('/')
      const gone = service.client.send({ alone: true })
      await sleep(50)
      const next = service.client.send({ alone: true })
      gone.leave()
      expect((await next.answer).json()).toBe(2)
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'names of policies may hold what a string of a header must escape',
    check: async ({ serve }) => {
      const name = 'a "quoted" \\ name'
      const service = await serve([['rateLimit', { name, limit: 1, window: 500 }]], () =>
        json('ran'),
      )
      const answer = await service.client.post('/')
      // A window is a whole number of seconds: what is said is never more than what is allowed.
      expect(quotaOf(answer)).toEqual({
        policies: [{ name, q: 1, w: 1 }],
        left: [{ name, r: 0, t: 1 }],
      })
    },
  },
  {
    name: 'the older headers are sent when they are asked for, with the time of the reset',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { limit: 2, window: HOUR, legacyHeaders: true }]],
        () => ({ as: 'end', text: 'ran' }),
      )
      const asked = Date.now()
      const { headers } = await service.client.post('/')
      expect([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']]).toEqual(['2', '1'])
      const reset = Number(headers['x-ratelimit-reset']) * 1_000 - asked
      expect(reset).toBeGreaterThan(HOUR / 2 - 1_000)
      expect(reset).toBeLessThan(HOUR / 2 + 20_000)
      await service.client.post('/')
      const refused = await service.client.post('/')
      expectProblem(refused, problems.quotaExceeded)
      expect(refused.headers['x-ratelimit-remaining']).toBe('0')
    },
  },
  {
    name: 'no header is sent when that is not wanted, and Retry-After all the same',
    check: async ({ serve }) => {
      const service = await serve([['rateLimit', { limit: 1, window: HOUR, headers: false }]], () =>
        json('ran'),
      )
      await service.client.post('/')
      const refused = await service.client.post('/')
      expectProblem(refused, problems.quotaExceeded)
      expect(Object.keys(refused.headers).filter((name) => name.includes('ratelimit'))).toEqual([])
    },
  },
  {
    name: 'a shadow refuses nobody and tells clients nothing',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { limit: 1, window: HOUR, mode: 'shadow', legacyHeaders: true }]],
        ({ holdfast }) => json(holdfast.rateLimit?.retryAfter),
      )
      const answers = [await service.client.post('/'), await service.client.post('/')]
      expect(answers.map(({ status }) => status)).toEqual([200, 200])
      expect(answers[0]?.json()).toBe(0)
      expect(answers[1]?.json<number>()).toBeGreaterThan(HOUR - 20_000)
      for (const { headers } of answers) {
        expect(Object.keys(headers).filter((name) => name.includes('ratelimit'))).toEqual([])
      }
    },
  },
  {
    name: 'requests that fail spend nothing when they are skipped',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { limit: 2, window: HOUR, skipFailedRequests: true }]],
        ({ header }) => json('answered', Number(header('x-status'))),
      )
      const send = (status: number) =>
        service.client.post('/', { headers: { 'x-status': `${status}` } })
      for (const status of [500, 404, 401, 503]) {
        const answer = await send(status)
        // As if it counted: that is not known yet.
        expect([answer.status, quotaOf(answer).left]).toMatchObject([status, [{ r: 1, t: 1800 }]])
      }
      expect((await send(200)).status).toBe(200)
      expect((await send(302)).status).toBe(302)
      expectProblem(await send(200), problems.quotaExceeded)
    },
  },
  {
    name: 'requests that succeed spend nothing when they are skipped',
    check: async ({ serve }) => {
      const service = await serve(
        [['rateLimit', { name: 'logins', limit: 2, window: HOUR, skipSuccessfulRequests: true }]],
        ({ header }) => {
          if (header('x-fails') === 'thrown') throw new Error('broken')
          return json('answered', header('x-fails') ? 401 : 200)
        },
      )
      for (let at = 0; at < 5; at++) expect((await service.client.post('/')).status).toBe(200)
      expect((await service.client.post('/', { headers: { 'x-fails': 'yes' } })).status).toBe(401)
      expect((await service.client.post('/', { headers: { 'x-fails': 'thrown' } })).status).toBe(
        500,
      )
      const refused = await service.client.post('/')
      expectProblem(refused, problems.quotaExceeded)
      expectViolated(refused, 'logins')
    },
  },
  {
    name: 'guesses that come all at once are no more than the limit of failures allows',
    check: async ({ serve }) => {
      const gate = deferred()
      const service = await serve(
        [['rateLimit', { limit: 3, window: HOUR, skipSuccessfulRequests: true }]],
        async () => {
          await gate.promise
          return json('wrong', 401)
        },
      )
      const sent = Array.from({ length: 20 }, () => service.client.send({ alone: true }))
      let refused = 0
      for (const { answer } of sent)
        void answer.then(({ status }) => (refused += Number(status === 429)))
      await eventually(() => refused === 17)
      gate.resolve()
      const answers = await Promise.all(sent.map(({ answer }) => answer))
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(3)
      expect(service.runs()).toBe(3)
      expectProblem(await service.client.post('/'), problems.quotaExceeded)
    },
  },
  {
    name: 'a client that leaves at once cannot keep its failures from being counted',
    check: async ({ serve }) => {
      const begun = [deferred(), deferred()]
      const service = await serve(
        [['rateLimit', { limit: 2, window: HOUR, skipSuccessfulRequests: true }]],
        async ({ run, signal }) => {
          if (run > 2) return json('wrong', 401)
          begun[run - 1]?.resolve()
          if (!signal.aborted)
            await new Promise((resolve) => signal.addEventListener('abort', resolve))
          return json('wrong', 401)
        },
      )
      for (const each of begun) {
        const sent = service.client.send({ alone: true })
        await each.promise
        sent.leave()
      }
      await eventually(async () => (await service.client.post('/')).status === 429)
      expect(service.runs()).toBe(2)
    },
  },
  {
    name: 'a handler that never ends after its client has left has its request counted, and holds nothing for ever',
    only: 'express',
    check: async ({ serve }) => {
      const begun = deferred()
      const service = await serve(
        [['rateLimit', { limit: 1, window: 1_000, skipSuccessfulRequests: true }]],
        async ({ run }) => {
          if (run > 1) return json('fine')
          begun.resolve()
          return new Promise<never>(() => {})
        },
      )
      const sent = service.client.send({ alone: true })
      await begun.promise
      sent.leave()
      expectProblem(await service.client.post('/'), problems.quotaExceeded)
      await eventually(async () => (await service.client.post('/')).status === 200)
    },
  },
  {
    name: 'a request that outlives its window gives nothing back that was never spent',
    check: async ({ serve }) => {
      const gate = deferred()
      const begun = deferred()
      const service = await serve(
        [['rateLimit', { limit: 2, window: 200, skipSuccessfulRequests: true }]],
        async ({ run }) => {
          begun.resolve()
          if (run === 1) await gate.promise
          return json('done')
        },
      )
      const slow = service.client.send({})
      await begun.promise
      await sleep(300)
      gate.resolve()
      await slow.answer
      expect(quotaOf(await service.client.post('/')).left).toMatchObject([{ r: 1 }])
    },
  },
  {
    name: 'a limit that is mounted twice on the way of a request is charged once',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['twice', api],
        ],
        routes: { 'POST /': { handler: () => json('ran') } },
      })
      expect(quotaOf(await service.client.post('/'))).toEqual(expected)
    },
  },
  {
    name: 'a CORS preflight is left alone; any other OPTIONS is a request',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store }],
          ['rateLimit', { name: 'api', limit: 1, window: HOUR }],
        ],
        routes: { 'OPTIONS /': { handler: () => ({ as: 'empty', status: 204 }) } },
      })
      const headers = { Origin: 'https://shop.example', 'Access-Control-Request-Method': 'POST' }
      const ask = (with_: object) =>
        service.client.request({ method: 'OPTIONS', path: '/', ...with_ })
      for (let at = 0; at < 3; at++) expect((await ask({ headers })).status).toBe(204)
      expect((await ask({})).status).toBe(204)
      expectProblem(await ask({}), problems.quotaExceeded)
    },
  },
  {
    name: 'without a name a limit is that of its route, whatever its parameters are',
    check: async ({ store, serveAll }) => {
      const guards: readonly Mount[] = [['rateLimit', { limit: 1, window: HOUR }]]
      const handler = () => json('ran')
      const service = await serveAll({
        use: [['requestScope', { provider: store }]],
        routes: {
          'POST /a/:id': { guards, handler },
          'POST /b': { guards, handler },
          'GET /b': { guards, handler },
        },
      })
      expect((await service.client.post('/a/1')).status).toBe(200)
      expect((await service.client.post('/b')).status).toBe(200)
      expect((await service.client.get('/b')).status).toBe(200)
      expectProblem(await service.client.post('/a/2'), problems.quotaExceeded)
    },
  },
  {
    name: 'a replay costs nothing, and a 429 is not stored',
    check: async ({ serve }) => {
      const service = await serve(
        [
          [
            'protect',
            { rateLimit: { limit: 1, window: 3_000, key: 'everybody' }, idempotency: {} },
          ],
        ],
        ({ run }) => json(run),
      )
      expect((await service.client.post('/', { key: 'a' })).json()).toBe(1)
      expect((await service.client.post('/', { key: 'a' })).headers['idempotent-replayed']).toBe(
        'true',
      )
      const refused = await service.client.post('/', { key: 'b' })
      expectProblem(refused, problems.quotaExceeded)
      await sleep(Number(refused.headers['retry-after']) * 1_000)
      expect((await service.client.post('/', { key: 'b' })).json()).toBe(2)
    },
  },
  {
    name: 'an own answer to a refusal says what is left as well',
    check: async ({ serve }) => {
      const seen: unknown[] = []
      const service = await serve(
        [
          [
            'rateLimit',
            {
              name: 'api',
              limit: 1,
              window: HOUR,
              onRefused: (error) => {
                seen.push(error)
                return text('slow down', 420)
              },
            },
          ],
        ],
        () => json('ran'),
      )
      await service.client.post('/')
      const refused = await service.client.post('/')
      expect([refused.status, refused.text]).toEqual([420, 'slow down'])
      expect(quotaOf(refused).left).toMatchObject([{ name: 'api', r: 0 }])
      expect(seen).toMatchObject([
        { code: 'ERR_HOLDFAST_RATE_LIMITED', standings: [{ rule: 'api', remaining: 0 }] },
      ])
    },
  },
]

export const rateLimits: RowGroup = { subject: 'rate limits', rows }
