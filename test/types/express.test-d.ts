// What Express handlers and options are typed as, without a cast; checked by the compiler and never run.

import express from 'express'
import { type LockGuard, MemoryAdapter, type Permit, type Scope, scope } from '../../src/index.ts'
import {
  type HoldfastState,
  idempotency,
  lock,
  protect,
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
  const token: number | undefined = req.holdfast.lock?.fencingToken
  const recovered: boolean | undefined = req.holdfast.idempotency?.recovered
  // A guard leaves the parameters what the path says they are.
  same<typeof req.params, { id: string }>(true)
  // @ts-expect-error - there may be no lock
  req.holdfast.lock.fencingToken
  res.json({ token, recovered })
})

app.get(
  '/reports',
  semaphore({ limit: 2, timeout: 300 }),
  semaphore({ limit: async (req) => (req.get('x-tenant') === 'large' ? 20 : 2), key: 'reports' }),
  timeout(10_000),
  timeout({ timeout: 10_000, name: 'reports' }),
  (_req, res) => void res.json([]),
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
    timeout: 10_000,
    onRefused: (error, req, res, next) => {
      same<typeof error, unknown>(true)
      if (req.get('accept')) next(error)
      else res.sendStatus(503)
    },
  }),
  (_req, res) => void res.sendStatus(201),
)

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
// @ts-expect-error - there are two ways to meet a store that is down
idempotency({ onStoreError: 'ignore' })
// @ts-expect-error - no such option
idempotency({ retention: 1 })
// @ts-expect-error - no such guard
protect({ locks: { key: 'a' } })
// @ts-expect-error - a store is an adapter
requestScope({ provider: new Map() })
// @ts-expect-error - what is recovered is an answer
idempotency({ recover: () => ({ value: { status: '201' } }) })
