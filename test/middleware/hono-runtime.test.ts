// What Hono does on runtimes other than Node: upgrades that go through the app, and work behind an answer.

import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { MemoryAdapter } from '../../src/index.ts'
import {
  idempotency,
  lock,
  protect,
  rateLimit,
  requestScope,
} from '../../src/middleware/hono/index.ts'
import { deferred } from '../support/deferred.ts'
import { answersAfter, faultyAdapter } from '../support/faulty-adapter.ts'

test('the response of an upgrade passes as it is, and holds nothing afterwards', async () => {
  const store = new MemoryAdapter()
  // What Workers, Deno and Bun answer an upgrade with is a Response that no program can make: with status 101.
  const upgraded = Object.defineProperty(new Response(null), 'status', { value: 101 })
  const app = new Hono()
    .use(requestScope({ provider: store, timeout: 1_000 }))
    .get(
      '/ws',
      protect({ timeout: 1_000, lock: { key: 'a' }, semaphore: { limit: 1 } }),
      idempotency({ methods: ['GET'] }),
      () => upgraded,
    )
  for (const key of ['k-1', 'k-2']) {
    const headers = { upgrade: 'websocket', 'idempotency-key': key }
    expect(await app.request('/ws', { headers })).toBe(upgraded)
  }
  expect((await store.grants.inspect('lock:a')).holders).toEqual([])
})

test('the runtime is asked to wait for what is written behind an answer that has left, and for a stream', async () => {
  const behind: Promise<unknown>[] = []
  const context = {
    waitUntil: (work: Promise<unknown>) => void behind.push(work),
    passThroughOnException: () => {},
    props: {},
  }
  const store = new MemoryAdapter()
  const gate = deferred()
  const app = new Hono()
    .use(requestScope({ provider: store }))
    .post('/after', idempotency({ commit: 'after' }), (c) => c.text('done'))
    .get(
      '/spends',
      rateLimit({ limit: 2, window: 60_000, key: 'k', skipFailedRequests: true }),
      (c) => c.text('done'),
    )
    .get('/stream', lock({ key: 'a' }), (c) =>
      c.body(
        new ReadableStream({
          start: async (controller) => {
            await gate.promise
            controller.close()
          },
        }),
      ),
    )
  const post = new Request('https://shop.example/after', {
    method: 'POST',
    headers: { 'idempotency-key': 'k' },
  })
  expect(await (await app.fetch(post, {}, context)).text()).toBe('done')
  expect(behind).toHaveLength(1)
  await app.fetch(new Request('https://shop.example/spends'), {}, context)
  expect(behind).toHaveLength(2)

  const streamed = await app.fetch(new Request('https://shop.example/stream'), {}, context)
  expect(behind.length).toBeGreaterThan(2)
  let over = false
  const waited = Promise.all(behind).then(() => {
    over = true
  })
  expect((await store.grants.inspect('lock:a')).holders).toHaveLength(1)
  expect(over).toBe(false)
  gate.resolve()
  await streamed.text()
  await waited
})

test('a refusal that is thrown is answered by Hono as it answers an HTTPException', async () => {
  const app = new Hono().post(
    '/',
    idempotency({
      required: true,
      onRefused: (error) => {
        throw error
      },
    }),
    (c) => c.text('ran'),
  )
  const answer = await app.request('/', { method: 'POST' })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    400,
    'application/problem+json',
  ])
  expect(await answer.json()).toMatchObject({ title: 'The Idempotency-Key header is missing' })
})

test('a request that was answered 504 before its handler began leaves no scope behind', async () => {
  const provider = faultyAdapter({ deadline: 10_000 })
  const gate = deferred()
  provider.always('grants.acquire', answersAfter(gate.promise))
  const scopes = requestScope({ provider })
  const app = new Hono()
    .use(scopes)
    .post('/', protect({ timeout: 20, lock: { key: 'a' } }), (c) => c.text('ran'))
  expect((await app.request('/', { method: 'POST' })).status).toBe(504)
  gate.resolve()
  expect(await scopes.drain({ timeout: 2_000 })).toEqual({ aborted: 0, abandoned: 0 })
})
