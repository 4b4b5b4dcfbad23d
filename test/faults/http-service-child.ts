// A service behind guards, on either framework and either store, that a test kills, drains or floods.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { argument, tell } from '../support/parent.ts'
import { openBackend, type Place } from './http-backend.ts'
import { type Answering, listen } from './http-frameworks.ts'

const order = argument<Place & { readonly framework: 'express' | 'hono' }>()
const { provider, count, close } = await openBackend(order)

const answering: Answering = {
  buffered: async (key) =>
    JSON.stringify({ run: await count(key), key, random: crypto.randomUUID() }),
  streamed: async function* (key) {
    yield `run ${await count(key)} of ${key}\n`
    // Until the process is killed.
    await sleep(60_000)
    yield 'the end\n'
  },
  slow: async (key) => {
    await sleep(50)
    return JSON.stringify({ run: await count(key) })
  },
}
const { server, scopes } = await listen(order.framework, provider, answering)
await once(server, 'listening')
process.once('SIGTERM', async () => {
  const drained = await scopes.drain({ server, timeout: 20_000 })
  await provider.disconnect()
  await close()
  tell('ended', { ...drained })
})
tell('listening', { port: (server.address() as AddressInfo).port })
