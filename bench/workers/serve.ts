// A server with one route behind a middleware, on Express or Hono.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import { argument, tell } from '../../test/support/parent.ts'
import { type Framework, type Guard, guarding, library, type Middlewares } from '../library.ts'

const terms = argument<{
  readonly library: string
  readonly guard: Guard
  readonly framework: Framework
  readonly url: string
}>()

const middlewares = guarding(await library(terms.library), terms.guard)

const made = { orderId: 'o1', amount: 10, status: 'paid', at: '2026-01-01T00:00:00.000Z' }

const servers: Record<Framework, (given: Middlewares) => Promise<Server>> = {
  express: async ({ express: open }) => {
    const guard = await open?.(terms.url)
    if (!guard) throw new Error(`${terms.library} has no such middleware`)
    const app = express()
    app.use(express.json())
    app.post('/orders', guard.use, (_req, res) => {
      res.status(201).json(made)
    })
    return createServer(app)
  },
  hono: async ({ hono: open }) => {
    const guard = await open?.(terms.url)
    if (!guard) throw new Error(`${terms.library} has no such middleware`)
    const app = new Hono()
    app.post('/orders', guard.use, async (c) => {
      await c.req.json()
      return c.json(made, 201)
    })
    return createServer(getRequestListener(app.fetch))
  },
}

const server = await servers[terms.framework](middlewares ?? {})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
tell('ready', { port: (server.address() as AddressInfo).port })
