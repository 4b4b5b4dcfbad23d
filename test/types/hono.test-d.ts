// What Hono handlers and options are typed as, without a cast; checked by the compiler and never run.

import { serve } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { hc } from 'hono/client'
import {
  type LockGuard,
  MemoryAdapter,
  type Permit,
  type RateDecision,
  type Scope,
} from '../../src/index.ts'
import {
  addressKey,
  circuitBreaker,
  type Drained,
  type DrainOptions,
  type HoldfastState,
  idempotency,
  lock,
  protect,
  rateLimit,
  requestScope,
  semaphore,
  timeout,
} from '../../src/middleware/hono/index.ts'
import { same } from './same.ts'

const provider = new MemoryAdapter()

void requestScope().drain({ server: serve({ fetch: new Hono().fetch }) })

const app = new Hono<{ Variables: { user: string } }>()
  .use(requestScope({ provider, timeout: 30_000 }))
  .use(idempotency())
  .post('/orders/:id/ship', lock({ key: (c) => `order:${c.req.param('id')}` }), (c) => {
    same<typeof c.var.scope, Scope>(true)
    same<typeof c.var.holdfast, HoldfastState>(true)
    same<typeof c.var.holdfast.lock, LockGuard | undefined>(true)
    same<typeof c.var.holdfast.semaphore, Permit | undefined>(true)
    same<typeof c.var.holdfast.rateLimit, RateDecision | undefined>(true)
    // What the application has of its own stays, and so do the parameters of the path.
    same<typeof c.var.user, string>(true)
    const id: string = c.req.param('id')
    // @ts-expect-error - there may be no lock
    c.var.holdfast.lock.fencingToken
    return c.json({ id, token: c.var.holdfast.lock?.fencingToken })
  })
  .get('/reports', semaphore({ limit: 2 }), timeout(10_000), (c) => c.json([c.var.scope.name]))
  .get(
    '/search/:tenant',
    rateLimit({
      limit: async (c) => (c.req.header('x-plan') ? 1_000 : 10),
      window: 60_000,
      key: (c) => addressKey(c.req.header('cf-connecting-ip') ?? ''),
    }),
    circuitBreaker({ isFailure: ({ status }, c) => status >= 500 && c.req.method === 'GET' }),
    lock({ key: 'index', mode: 'read-write', status: 423 }),
    (c) => {
      same<typeof c.var.user, string>(true)
      return c.json({ tenant: c.req.param('tenant'), left: c.var.holdfast.rateLimit?.remaining })
    },
  )

// The types of answers travel to the client as they do without guards.
const client = hc<typeof app>('http://localhost')
const shipped = client.orders[':id'].ship.$post({ param: { id: '7' } })
same<
  Awaited<ReturnType<Awaited<typeof shipped>['json']>>,
  { id: string; token: number | undefined }
>(true)

const found = client.search[':tenant'].$get({ param: { tenant: 'a' } })
same<
  Awaited<ReturnType<Awaited<typeof found>['json']>>,
  { tenant: string; left: number | undefined }
>(true)

new Hono().use(idempotency()).post('/', (c) => {
  // @ts-expect-error - without requestScope() there is no scope
  c.var.scope
  return c.json(c.var.holdfast.idempotency?.recovered)
})

new Hono().post(
  '/orders/:id/pay',
  protect({
    provider,
    idempotency: {
      required: true,
      scope: async (c) => c.req.header('x-tenant'),
      fingerprint: (c) => c.req.path,
      recover: (key, lost, c) => {
        same<typeof key, string>(true)
        same<typeof lost.startedAt, Date>(true)
        return c.req.header('x-found')
          ? { value: { status: 201, headers: [['location', '/p1']], body: '{}' } }
          : { retry: true }
      },
    },
    lock: { key: 'all', timeout: 2_000, onStoreError: 'allow' },
    semaphore: { limit: 20 },
    rateLimit: { limit: 100, window: 60_000, key: (c) => c.req.header('x-tenant') ?? 'none' },
    circuitBreaker: { failureThreshold: 5, resetTimeout: 30_000 },
    timeout: 10_000,
    onRefused: (error, c) => {
      same<typeof error, unknown>(true)
      same<typeof c, Context>(true)
      return c.text('sorry', 503)
    },
  }),
  (c) => c.json(c.var.holdfast.lock?.fencingToken),
)

// @ts-expect-error - a lock is busy with 409 or 423
lock({ key: 'a', status: 503 })
// @ts-expect-error - a rate limit has options
rateLimit()
// @ts-expect-error - a limit is a number
rateLimit({ limit: '100', window: 60_000 })
// @ts-expect-error - a key is a string
rateLimit({ limit: 1, window: 1_000, key: () => 7 })
// @ts-expect-error - a rule has a window
rateLimit({ rules: [{ limit: 1 }] })
// @ts-expect-error - the process decides alone when the store is away
circuitBreaker({ onStoreError: 'deny' })
// @ts-expect-error - a lock needs a key
lock({})
// @ts-expect-error - a semaphore needs a limit
semaphore({ timeout: 100 })
// @ts-expect-error - a limit is a number
semaphore({ limit: '2' })
// @ts-expect-error - durations are numbers of milliseconds
timeout('10s')
// @ts-expect-error - there are three ways to meet a store that is down
idempotency({ onStoreError: 'ignore' })
// @ts-expect-error - no such option
idempotency({ retention: 1 })
// @ts-expect-error - no such guard
protect({ locks: { key: 'a' } })
// @ts-expect-error - a store is an adapter
requestScope({ provider: new Map() })
// @ts-expect-error - a refusal is answered with a response
lock({ key: 'a', onRefused: () => 'sorry' })

// Every option of an idempotent route, and no other value for it.
idempotency({
  wait: 2_000,
  commit: 'after',
  storeServerErrors: true,
  strictSyntax: true,
  maxKeyLength: 64,
  docsUrl: 'https://shop.example/idempotency',
  replayHeader: 'X-Replayed',
  recover: (_key, lost, c) =>
    c.req.header('x-found') && lost.startedAt ? { retry: true } : undefined,
})
// @ts-expect-error - a record is written before its answer or after it
idempotency({ commit: 'never' })
// @ts-expect-error - durations are numbers of milliseconds
idempotency({ wait: '2s' })
// @ts-expect-error - either it lets the client go or it does not
requestScope({ detachOnDisconnect: 'yes' })

const scopes = requestScope({ provider, detachOnDisconnect: true })
const limits: DrainOptions = { timeout: 10_000, grace: 1_000 }
const drained: Promise<Drained> = scopes.drain(limits)
same<typeof scopes.draining, boolean>(true)
void drained.then(({ aborted, abandoned }) => aborted + abandoned)
// @ts-expect-error - a server can be closed
scopes.drain({ server: {} })
