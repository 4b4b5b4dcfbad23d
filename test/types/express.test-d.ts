// What Express handlers and options are typed as, without a cast; checked by the compiler and never run.

import express from 'express'
import {
  type LockGuard,
  MemoryAdapter,
  type Permit,
  type RateDecision,
  type Scope,
  scope,
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
} from '../../src/middleware/express/index.ts'
import { same } from './same.ts'

const provider = new MemoryAdapter()
const app = express()

app.use(requestScope({ provider, timeout: 30_000, parent: scope() }), express.json(), idempotency())

app.post('/orders/:id/ship', lock({ key: (req) => `order:${req.params.id}` }), (req, res) => {
  same<typeof req.scope, Scope>(true)
  same<typeof req.holdfast, HoldfastState>(true)
  same<typeof req.holdfast.lock, LockGuard | undefined>(true)
  same<typeof req.holdfast.semaphore, Permit | undefined>(true)
  same<typeof req.holdfast.rateLimit, RateDecision | undefined>(true)
  const token: number | undefined = req.holdfast.lock?.fencingToken
  const recovered: boolean | undefined = req.holdfast.idempotency?.recovered
  // A guard leaves the parameters what the path says they are.
  same<typeof req.params, { id: string }>(true)
  // @ts-expect-error - there may be no lock
  req.holdfast.lock.fencingToken
  res.json({ token, recovered })
})

void requestScope().drain({ server: app.listen(0) })

app.get(
  '/reports',
  semaphore({ limit: 2, timeout: 300 }),
  semaphore({ limit: async (req) => (req.get('x-tenant') === 'large' ? 20 : 2), key: 'reports' }),
  timeout(10_000),
  timeout({ timeout: 10_000, name: 'reports' }),
  (_req, res) => void res.json([]),
)

app.get(
  '/search/:tenant',
  rateLimit({
    rules: [
      { name: 'burst', limit: 10, window: 1_000 },
      { name: 'day', limit: 1_000, window: 86_400_000, burst: 100 },
    ],
    key: (req) => addressKey(req.get('fly-client-ip') ?? ''),
    cost: async (req) => Number(req.get('x-cost') ?? 1),
    skip: (req) => req.get('x-internal') === 'yes',
  }),
  rateLimit({ limit: async (req) => (req.get('x-plan') ? 1_000 : 10), window: 60_000 }),
  semaphore({ limit: 2, perClient: true }),
  lock({ key: 'index', mode: 'read-write', status: 423 }),
  circuitBreaker({
    failureThreshold: 5,
    at: 'end',
    isFailure: ({ status, error }, req, res) => {
      same<typeof status, number>(true)
      same<typeof error, unknown>(true)
      return status >= 500 && req.complete && !res.headersSent
    },
  }),
  (req, res) => {
    same<typeof req.params, { tenant: string }>(true)
    res.json(req.holdfast.rateLimit?.standings)
  },
)

app.post(
  '/orders/:id/pay',
  protect({
    provider,
    idempotency: {
      required: true,
      scope: async (req) => req.get('x-tenant'),
      fingerprint: (req) => String(req.body),
      recover: (key, lost, req, res) => {
        same<typeof key, string>(true)
        same<typeof lost.startedAt, Date>(true)
        return res.headersSent || req.complete
          ? { value: { status: 201, headers: [['location', '/p1']], body: '{}' } }
          : { retry: true }
      },
    },
    lock: { key: 'all', timeout: 2_000, onStoreError: 'allow' },
    semaphore: { limit: 20 },
    rateLimit: { limit: 100, window: 60_000, key: (req) => req.get('x-tenant') ?? 'none' },
    circuitBreaker: { failureThreshold: 5, resetTimeout: 30_000 },
    timeout: 10_000,
    onRefused: (error, req, res, next) => {
      same<typeof error, unknown>(true)
      if (req.get('accept')) next(error)
      else res.sendStatus(503)
    },
  }),
  (_req, res) => void res.sendStatus(201),
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
// @ts-expect-error - a key is a string
lock({ key: (req) => req.body as number })
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
// @ts-expect-error - what is recovered is an answer
idempotency({ recover: () => ({ value: { status: '201' } }) })

// Every option of an idempotent route, and no other value for it.
idempotency({
  wait: 2_000,
  commit: 'after',
  storeServerErrors: true,
  strictSyntax: true,
  maxKeyLength: 64,
  docsUrl: 'https://shop.example/idempotency',
  replayHeader: 'X-Replayed',
  recover: (_key, lost, req) =>
    req.get('x-found') && lost.startedAt ? { retry: true } : undefined,
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
