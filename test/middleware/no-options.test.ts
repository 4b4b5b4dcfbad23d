// The shortest use there is: one line, no options, no servers, tested as applications test themselves.

import express from 'express'
import { Hono } from 'hono'
import request from 'supertest'
import { expect, test } from 'vitest'
import { idempotency as expressIdempotency } from '../../src/middleware/express/index.ts'
import { idempotency as honoIdempotency } from '../../src/middleware/hono/index.ts'

test('app.use(idempotency()) in Express', async () => {
  let payments = 0
  const app = express()
  app.use(express.json(), expressIdempotency())
  app.post('/payments', (req, res) => {
    res.status(201).json({ paymentId: ++payments, amount: req.body.amount })
  })
  const pay = (key: string, amount: number) =>
    request(app).post('/payments').set('Idempotency-Key', key).send({ amount })

  const first = await pay('express-1', 10).expect(201, { paymentId: 1, amount: 10 })
  const again = await pay('express-1', 10).expect(201).expect('Idempotent-Replayed', 'true')
  expect(again.text).toBe(first.text)
  await pay('express-1', 11)
    .expect(422)
    .expect('Content-Type', /problem\+json/)
  await pay('express-2', 10).expect(201, { paymentId: 2, amount: 10 })
  await request(app).post('/payments').send({ amount: 10 }).expect(201)
  expect(payments).toBe(3)
})

test('app.use(idempotency()) in Hono, without a socket', async () => {
  let payments = 0
  const app = new Hono()
    .use(honoIdempotency())
    .post('/payments', async (c) =>
      c.json({ paymentId: ++payments, ...(await c.req.json<object>()) }, 201),
    )
  const pay = (key: string, amount: number) =>
    app.request('/payments', {
      method: 'POST',
      headers: { 'Idempotency-Key': key, 'Content-Type': 'application/json' },
      body: JSON.stringify({ amount }),
    })

  const first = await pay('hono-1', 10)
  const again = await pay('hono-1', 10)
  expect([first.status, again.status]).toEqual([201, 201])
  expect(again.headers.get('Idempotent-Replayed')).toBe('true')
  expect(await again.text()).toBe(await first.text())
  expect((await pay('hono-1', 11)).status).toBe(422)
  expect(payments).toBe(1)
})
