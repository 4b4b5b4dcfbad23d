// A guarded response of Hono is still the handler's on the adapter for Node: its chunks, its headers, and its end.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, constants, createServer as createHttp2Server } from 'node:http2'
import { setImmediate } from 'node:timers/promises'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, expect, test } from 'vitest'
import { MemoryAdapter } from '../../src/index.ts'
import {
  idempotency,
  lock,
  rateLimit,
  requestScope,
  timeout,
} from '../../src/middleware/hono/index.ts'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { Client } from './conformance/client.ts'
import { expectProblem, problems } from './conformance/problem.ts'
import { expectReplay } from './conformance/replay.ts'

type Fetch = Parameters<typeof getRequestListener>[0]

let server: Server | undefined
let client: Client | undefined
afterEach(() => {
  client?.[Symbol.dispose]()
  server?.closeAllConnections()
  server?.close()
})

/** A client of the application on a server of Node. */
async function serve({ fetch }: { readonly fetch: Fetch }): Promise<Client> {
  server = createServer(getRequestListener(fetch)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = new Client((server.address() as { port: number }).port)
  return client
}

function textStream(...chunks: string[]): ReadableStream {
  return new ReadableStream({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

test('a stream of text passes as the adapter sends it', async () => {
  const app = new Hono()
    .use(requestScope({ provider: new MemoryAdapter() }))
    .get('/', lock({ key: 'a' }), (c) => c.body(textStream('one, ', '', 'zwö')))
  expect((await (await serve(app)).get('/')).text).toBe('one, zwö')
})

test('a stream of text is not kept, and a retry never runs', async () => {
  let runs = 0
  const app = new Hono()
    .use(requestScope({ provider: new MemoryAdapter() }))
    .post('/', idempotency(), (c) => {
      runs++
      return c.body(textStream('paid'))
    })
  const client = await serve(app)
  expect((await client.post('/', { key: 'k' })).text).toBe('paid')
  expectProblem(await client.post('/', { key: 'k' }), problems.notReplayable)
  expect(runs).toBe(1)
})

test.each([
  ['text', () => '{}'],
  ['bytes', () => new Uint8Array(2)],
  ['a stream', () => textStream('{}')],
  ['nothing', () => null],
])(
  'headers that a handler gives to all its answers of %s stay as they are',
  async (_kind, body) => {
    const shared = new Headers({ 'content-type': 'application/json', 'ratelimit-policy': '"own"' })
    const app = new Hono().get(
      '/',
      rateLimit({ provider: new MemoryAdapter(), limit: 10, window: 60_000, key: () => 'a' }),
      () => new Response(body(), { headers: shared }),
    )
    const client = await serve(app)
    await client.get('/')
    expect((await client.get('/')).headers.ratelimit).toMatch(/^"per-60s";r=8;t=\d+$/)
    expect([...shared]).toEqual([
      ['content-type', 'application/json'],
      ['ratelimit-policy', '"own"'],
    ])
  },
)

test.each([
  ['text', 'made', { vary: 'Accept' }],
  ['bytes', new TextEncoder().encode('made'), { vary: 'Accept' }],
  ['bytes without any header', new TextEncoder().encode('made'), undefined],
  ['bytes with Headers', new TextEncoder().encode('made'), new Headers({ vary: 'Accept' })],
  ['bytes with a type', new TextEncoder().encode('made'), { 'Content-Type': 'image/x-test' }],
  ['nothing', null, { vary: 'Accept' }],
])('a replay has the content type of the first answer: %s', async (_kind, body, headers) => {
  const app = new Hono()
    .use(requestScope({ provider: new MemoryAdapter() }))
    .post('/', idempotency(), () => new Response(body, headers && { headers }))
  const client = await serve(app)
  const first = await client.post('/', { key: 'k' })
  expectReplay(await client.post('/', { key: 'k' }), first)
})

test('a stream that is never passed on, because the client was answered before, holds nothing', async () => {
  const store = new MemoryAdapter()
  const gate = deferred()
  const cancelled = deferred()
  const app = new Hono().get(
    '/',
    timeout(50),
    async (_c, next) => {
      await next()
      await gate.promise
    },
    lock({ provider: store, key: 'a' }),
    (c) => c.body(new ReadableStream({ cancel: () => cancelled.resolve() })),
  )
  expect((await (await serve(app)).get('/')).status).toBe(504)
  await cancelled.promise
  await eventually(async () => (await store.grants.inspect('lock:a')).holders.length === 0)
  gate.resolve()
})

test.each([
  ['in its handler', 0],
  ['before it met a guard', 1],
])('a client of HTTP/2 that resets its request %s aborts its scope', async (_when, waits) => {
  const begun = deferred()
  const closed = deferred()
  const aborted = deferred<unknown>()
  const scopes = requestScope({ provider: new MemoryAdapter() })
  const app = new Hono()
    .use(async (c, next) => {
      ;(c.env as HttpBindings).outgoing.once('close', closed.resolve)
      begun.resolve()
      if (waits) await closed.promise.then(() => setImmediate())
      await next()
    })
    .use(scopes)
    .get('/', async (c) => {
      await closed.promise
      aborted.resolve(c.var.scope.signal.reason)
      return c.text('nobody hears it')
    })
  const http2 = createHttp2Server(getRequestListener(app.fetch) as never).listen(0, '127.0.0.1')
  await once(http2, 'listening')
  const session = connect(`http://127.0.0.1:${(http2.address() as { port: number }).port}`)
  try {
    const request = session.request({ ':path': '/' })
    request.on('error', () => {})
    await begun.promise
    request.close(constants.NGHTTP2_CANCEL)
    expect(await aborted.promise).toMatchObject({ code: 'ERR_HOLDFAST_CLIENT_DISCONNECTED' })
    expect(await scopes.drain({ timeout: 1_000 })).toEqual({ aborted: 0, abandoned: 0 })
  } finally {
    session.destroy()
    http2.close()
  }
})
