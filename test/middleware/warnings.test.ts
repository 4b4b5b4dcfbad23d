// What the middlewares warn of: once in a process, as an event and in one line of the log.

import express from 'express'
import { Hono } from 'hono'
import request from 'supertest'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { HoldfastEvent } from '../../src/index.ts'

let logged: string[]
const log = (warning: Error) =>
  void (warning.name === 'HoldfastWarning' && logged.push(warning.message))

beforeEach(() => {
  // What was warned of is remembered for the life of the module.
  vi.resetModules()
  logged = []
  process.on('warning', log)
})
afterEach(() => process.off('warning', log))

const load = async () => ({
  ...(await import('../../src/middleware/hono/index.ts')),
  ...(await import('../../src/index.ts')),
})

const post = async (app: Hono, headers: Record<string, string> = {}): Promise<void> => {
  for (const key of ['a', 'b']) {
    await app.request('/', { method: 'POST', headers: { 'idempotency-key': key, ...headers } })
  }
  // Node tells of warnings a tick later.
  await new Promise((resolve) => setImmediate(resolve))
}

test('a service without a provider is told that its memory protects one process only', async () => {
  const { idempotency } = await load()
  const events: HoldfastEvent[] = []
  const app = new Hono()
  app.use(idempotency({ onEvent: (event) => events.push(event) })).post('/', (c) => c.text('done'))
  await post(app)
  expect(events).toMatchObject([{ name: 'holdfast.store.memory_only' }])
  expect(logged).toEqual([expect.stringMatching(/this process only/)])
})

test('cookies without Authorization or `scope` are warned of: callers would share their keys', async () => {
  const { idempotency, MemoryAdapter } = await load()
  const events: HoldfastEvent[] = []
  const options = {
    provider: new MemoryAdapter(),
    onEvent: (event: HoldfastEvent) => events.push(event),
  }
  const app = new Hono()
  app.use(idempotency(options)).post('/', (c) => c.text('done'))
  await post(app)
  expect(logged).toEqual([])
  await post(app, { cookie: 'session=1', authorization: 'Bearer a' })
  expect(logged).toEqual([])
  await post(app, { cookie: 'session=1' })
  expect(events).toMatchObject([{ name: 'holdfast.guard.warning' }])
  expect(logged).toEqual([expect.stringMatching(/cookies.*`scope`/)])
})

test('an answer that is compressed further in is warned of: it cannot be replayed', async () => {
  const { idempotency, MemoryAdapter } = await load()
  const app = new Hono()
  app
    .use(idempotency({ provider: new MemoryAdapter() }))
    .post('/', (c) => c.body('…', 200, { 'content-encoding': 'br' }))
  await post(app)
  expect(logged).toEqual([expect.stringMatching(/compression/)])
})

test('an answer whose keeping fails was given all the same: its retry never runs', async () => {
  const { idempotency, MemoryAdapter } = await load()
  const events: HoldfastEvent[] = []
  let runs = 0
  const app = new Hono()
    .use(
      idempotency({ provider: new MemoryAdapter(), onEvent: (event) => void events.push(event) }),
    )
    .post('/', (c) => c.body(`${++runs}`, 200, { 'content-encoding': 'br' }))
  const refused = new Error('No warnings here')
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {
    throw refused
  })
  const answers = []
  for (let time = 0; time < 2; time++) {
    const headers = { 'idempotency-key': 'k' }
    answers.push(await app.request('/', { method: 'POST', headers }))
  }
  warn.mockRestore()
  expect(answers.map(({ status }) => status)).toEqual([200, 409])
  expect(runs).toBe(1)
  expect(events).toContainEqual({ name: 'holdfast.guard.warning', error: refused })
})

test('a `trust proxy` that believes everybody is warned of once, and so is a proxy that nobody knows of', async () => {
  const { rateLimit } = await import('../../src/middleware/express/index.ts')
  const { MemoryAdapter } = await load()
  const app = express()
  const options = { name: 'api', limit: 100, window: 60_000, provider: new MemoryAdapter() }
  app.use(rateLimit(options)).get('/', (_req, res) => void res.send('done'))
  const ask = async (trusts: boolean | string) => {
    app.set('trust proxy', trusts)
    await request(app).get('/').set('X-Forwarded-For', '203.0.113.1').expect(200)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await ask('loopback')
  expect(logged).toEqual([])
  for (let again = 0; again < 2; again++) {
    await ask(true)
    await ask(false)
  }
  expect(logged).toEqual([
    expect.stringMatching(/`trust proxy` is true/),
    expect.stringMatching(/X-Forwarded-For.*looks like a proxy.*app\.set\('trust proxy'/),
  ])
})

test('wrong options are refused where they are written', async () => {
  const {
    circuitBreaker,
    idempotency,
    lock,
    protect,
    rateLimit,
    requestScope,
    semaphore,
    timeout,
  } = await load()
  const wrong: (() => unknown)[] = [
    () => idempotency({ ttl: -1 }),
    () => idempotency({ lease: Number.NaN }),
    () => idempotency({ maxKeyLength: 0 }),
    () => idempotency({ scope: 'tenant' as never }),
    () => idempotency({ provider: {} as never }),
    () => idempotency(null as never),
    () => idempotency({ enabled: 'yes' as never }),
    () => idempotency({ onStoreError: 'ignore' as never }),
    () => idempotency({ name: '' }),
    () => idempotency({ required: 1 as never }),
    () => idempotency({ takeover: 'yes' as never }),
    () => idempotency({ methods: 'POST' as never }),
    () => idempotency({ headers: [1] as never }),
    () => idempotency({ docsUrl: 1 as never }),
    () => idempotency({ onEvent: 'log' as never }),
    () => lock({} as never),
    () => lock({ key: '' }),
    () => lock({ key: 'a', ttl: 1.5 }),
    () => lock({ key: 'a', timeout: -1 }),
    () => lock({ key: 'a', status: 500 as never }),
    () => lock({ key: 'a', mode: 'shared' as never }),
    () => semaphore({ limit: 0 }),
    () => semaphore({ limit: 1, key: '' }),
    () => semaphore({ limit: 1, perClient: 1 as never }),
    () => semaphore({ limit: 1, perClient: true, name: 'Prüfung' }),
    () => rateLimit(undefined as never),
    () => rateLimit({} as never),
    () => rateLimit({ limit: 1 }),
    () => rateLimit({ limit: 0, window: 1_000 }),
    () => rateLimit({ limit: 1, window: 0 }),
    () => rateLimit({ limit: () => 1, window: 1.5 }),
    () => rateLimit({ limit: () => 1, window: 1_000, burst: 0 }),
    () => rateLimit({ limit: 1, window: 1_000, rules: [] }),
    () => rateLimit({ rules: [] }),
    () => rateLimit({ rules: 'all' as never }),
    () => rateLimit({ rules: [null as never] }),
    () =>
      rateLimit({
        rules: [
          { limit: 1, window: 1 },
          { limit: 2, window: 1 },
        ],
      }),
    () => rateLimit({ limit: 1, window: 1_000, key: '' }),
    () => rateLimit({ limit: 1, window: 1_000, cost: 0 }),
    () => rateLimit({ limit: 1, window: 1_000, name: 'Prüfung' }),
    () => rateLimit({ limit: 1, window: 1_000, mode: 'off' as never }),
    () => rateLimit({ limit: 1, window: 1_000, trustedProxies: ['10.0.0.0/33'] }),
    () => rateLimit({ limit: 1, window: 1_000, trustedProxies: 'all' as never }),
    () => rateLimit({ limit: 1, window: 1_000, ipv6Prefix: 129 }),
    () => rateLimit({ limit: 1, window: 1_000, strict: 1 as never }),
    () => rateLimit({ limit: 1, window: 1_000, headers: 1 as never }),
    () => rateLimit({ limit: 1, window: 1_000, legacyHeaders: 1 as never }),
    () => rateLimit({ limit: 1, window: 1_000, timeout: 10, skipFailedRequests: true }),
    () => circuitBreaker({ failureThreshold: 0 }),
    () => circuitBreaker({ isFailure: 500 as never }),
    () => circuitBreaker({ at: 'start' as never }),
    () => timeout(0),
    () => timeout('1s' as never),
    () => requestScope({ timeout: 0 }),
    () => protect({ lock: {} as never }),
    () => protect(undefined as never),
  ]
  for (const make of wrong) {
    expect(make, String(make)).toThrow(
      expect.objectContaining({ code: 'ERR_HOLDFAST_INVALID_ARGUMENT' }),
    )
  }
})
