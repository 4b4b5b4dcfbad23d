// A payment runs once for an Idempotency-Key, and an order is paid by one request at a time.
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { Lock, MemoryAdapter } from 'holdfast'
import { idempotency, requestScope } from 'holdfast/express'

const app = express()
app.use(express.json(), requestScope({ provider: new MemoryAdapter() }), idempotency())
app.post('/orders/:id/pay', async (req, res) => {
  const lock = new Lock(req.scope.signal, { key: `order:${req.params.id}`, name: 'order' })
  await using guard = await lock.acquire({ timeout: 2_000 })
  await sleep(150) // charge the card
  res.status(201).json({ paid: true, fencingToken: guard.fencingToken })
})
app.listen(process.env.PORT ?? 3000)
