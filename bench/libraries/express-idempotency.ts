// express-idempotency on Redis.

import { createRequire } from 'node:module'
import type { RequestHandler } from 'express'
import type { Library } from '../library.ts'

interface Adapter {
  connect(): Promise<void>
  disconnect(): Promise<void>
}
// CommonJS whose exports Node does not find by name, and whose types are not among its files.
const require = createRequire(import.meta.url)
const { idempotency } = require('express-idempotency') as {
  idempotency(options: { readonly dataAdapter: Adapter }): RequestHandler
}
const { default: RedisAdapter } = require('express-idempotency-redis-adapter') as {
  default: new (options: { readonly connectionConfig: { readonly url: string } }) => Adapter
}

export const expressIdempotency: Library = {
  name: 'express-idempotency',
  idempotency: {
    express: async (url) => {
      const dataAdapter = new RedisAdapter({ connectionConfig: { url } })
      await dataAdapter.connect()
      return { use: idempotency({ dataAdapter }), close: () => dataAdapter.disconnect() }
    },
  },
}
