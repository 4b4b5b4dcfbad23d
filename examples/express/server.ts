// A payment service on Express: what a route must not do twice, or too often, is said before its handler.
import '../common/telemetry.ts' // first, before the framework

import { setTimeout as sleep } from 'node:timers/promises'
import express, { type ErrorRequestHandler } from 'express'
import { idempotency, lock, protect, requestScope, semaphore } from 'holdfast/express'
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

const app = express()

app.get('/healthz', (_req, res) => {
  res.json({ ok: true })
})

app.use((req, res, next) => {
  res.once('finish', () => nameRequest(req.method, req.route?.path))
  next()
})

// The store of all guards below, and the end of the service.
const scopes = requestScope({ provider })
app.use(scopes)

// Before idempotency(), which tells requests apart by their bodies; by the very bytes, if they are kept.
app.use(express.json({ verify: (req, _res, bytes) => Object.assign(req, { rawBody: bytes }) }))

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
  async (req, res) => {
    const order = readOrder(req.body)
    if (!order) {
      res.status(400).json({ error: 'Expected { "orderId": "o1", "amount": 10 }' })
      return
    }
    const { key = '', recovered } = req.holdfast.idempotency ?? {}
    const payment = await chargeCard(payments, order, key)
    res.status(201).json(recovered ? { ...payment, recovered } : payment)
  },
)

app.get('/payments', async (_req, res) => {
  res.json(await payments.list())
})

// One order is shipped by one request at a time, over all processes.
app.post(
  '/orders/:id/ship',
  lock({ key: (req) => `order:${req.params.id}`, timeout: 2_000 }),
  async (req, res) => {
    await bay.ship(req.params.id)
    res.json({ orderId: req.params.id, fencingToken: req.holdfast.lock?.fencingToken })
  },
)

// Two reports are made at a time, over all processes.
app.get('/reports', semaphore({ limit: 2, timeout: 300 }), async (_req, res) => {
  await sleep(200)
  res.json({ madeAt: new Date() })
})

// A client asks for five prices in ten seconds, and a supplier that fails is left alone for a while.
app.get(
  '/prices/:item',
  protect({
    rateLimit: { limit: 5, window: 10_000 },
    circuitBreaker: { failureThreshold: 2, resetTimeout: 5_000 },
  }),
  async (req, res) => {
    res.json(await askSupplier(req.params.item))
  },
)

const onError: ErrorRequestHandler = (error, _req, res, _next) => {
  const { status, body } = failure(error)
  res.status(status).json(body)
}
app.use(onError)

const server = app.listen(port, host)
announce(server, { framework: 'Express', redisUrl }, async () => {
  // Running requests end, with what they hold; new ones are told to go elsewhere.
  await scopes.drain({ server })
  await close()
})
