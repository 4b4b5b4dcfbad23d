// @node-idempotency/core on Redis, which leaves the wiring to the application.

import { Idempotency } from '@node-idempotency/core'
import { RedisStorageAdapter } from '@node-idempotency/storage-adapter-redis'
import type { Library } from '../library.ts'

interface Kept {
  readonly status: number
  readonly text: string
}

async function open(url: string): Promise<{ idempotency: Idempotency; close(): unknown }> {
  const storage = new RedisStorageAdapter({ url })
  await storage.connect()
  return { idempotency: new Idempotency(storage), close: () => storage.disconnect() }
}

export const nodeIdempotency: Library = {
  name: '@node-idempotency/core',
  idempotency: {
    express: async (url) => {
      const { idempotency, close } = await open(url)
      return {
        use: async (req, res, next) => {
          const { headers, path, method, body } = req
          const request = { headers, path, method, body }
          const known = await idempotency.onRequest<Kept, unknown>(request)
          if (known?.body) {
            res.status(known.body.status).type('json').send(known.body.text)
            return
          }
          const send = res.send.bind(res)
          res.send = (text: string) => {
            res.send = send
            const kept = { body: { status: res.statusCode, text } }
            void idempotency.onResponse(request, kept).then(() => send(text), next)
            return res
          }
          next()
        },
        close,
      }
    },
    hono: async (url) => {
      const { idempotency, close } = await open(url)
      return {
        use: async (c, next) => {
          const headers = c.req.header()
          const { path, method } = c.req
          const request = { headers, path, method, body: await c.req.json() }
          const known = await idempotency.onRequest<Kept, unknown>(request)
          if (known?.body) return c.newResponse(known.body.text, known.body.status as 201)
          await next()
          const text = await c.res.clone().text()
          await idempotency.onResponse(request, { body: { status: c.res.status, text } })
          return undefined
        },
        close,
      }
    },
  },
}
