// A payment service on Hono: what a route must not do twice, or too often, is said before its handler.
import '../common/telemetry.ts' // first, before the framework

import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { idempotency, lock, protect, requestScope, semaphore } from 'holdfast/hono'
import { Hono } from 'hono'
import { routePath } from 'hono/route'
import { connect } from '../common/backend.ts'
import { failure } from '../common/backend-error.ts'
import { chargeCard } from '../common/card.ts'
import { announce } from '../common/lifecycle.ts'
import { nameRequest } from '../common/name-request.ts'
import { readOrder } from '../common/payments.ts'
import { recoverPayment } from '../common/recover-payment.ts'
import { readSettings } from '../common/settings.ts'
import { askSupplier } from '../common/supplier.ts'

const { port, host, redisUrl, lease, takeover, recovers } = readSettings()
const { provider, payments, bay, close } = await connect(redisUrl)

const app = new Hono()

app.get('/healthz', (c) => c.json({ ok: true }))

app.use(async (c, next) => {
  await next()
  nameRequest(c.req.method, routePath(c, -1))
})

// The store of all guards below, and the end of the service.
const scopes = requestScope({ provider })
app.use(scopes)

// However often a request with one Idempotency-Key arrives, and wherever: the card is charged once.
app.post(
  '/payments',
  idempotency({
    name: 'payments',
    required: true,
    lease,
    takeover,
    recover: recovers ? (key) => recoverPayment(payments, key) : undefined,
  }),
  async (c) => {
    const order = readOrder(await c.req.json().catch(() => undefined))
    if (!order) return c.json({ error: 'Expected { "orderId": "o1", "amount": 10 }' }, 400)
    const { key = '', recovered } = c.var.holdfast.idempotency ?? {}
    const payment = await chargeCard(payments, order, key)
    return c.json(recovered ? { ...payment, recovered } : payment, 201)
  },
)

app.get('/payments', async (c) => c.json(await payments.list()))

// One order is shipped by one request at a time, over all processes.
app.post(
  '/orders/:id/ship',
  lock({ key: (c) => `order:${c.req.param('id')}`, timeout: 2_000 }),
  async (c) => {
    const orderId = c.req.param('id')
    await bay.ship(orderId)
    return c.json({ orderId, fencingToken: c.var.holdfast.lock?.fencingToken })
  },
)

// Two reports are made at a time, over all processes.
app.get('/reports', semaphore({ limit: 2, timeout: 300 }), async (c) => {
  await sleep(200)
  return c.json({ madeAt: new Date() })
})

// A client asks for five prices in ten seconds, and a supplier that fails is left alone for a while.
app.get(
  '/prices/:item',
  protect({
    rateLimit: { limit: 5, window: 10_000 },
    circuitBreaker: { failureThreshold: 2, resetTimeout: 5_000 },
  }),
  async (c) => c.json(await askSupplier(c.req.param('item'))),
)

app.onError((error, c) => {
  const { status, body } = failure(error)
  return c.json(body, status)
})

const server = serve({ fetch: app.fetch, port, hostname: host })
announce(server, { framework: 'Hono', redisUrl }, async () => {
  // Running requests end, with what they hold; new ones are told to go elsewhere.
  await scopes.drain({ server })
  await close()
})
