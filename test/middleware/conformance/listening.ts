// A test service once its framework has built it: the socket that it listens on, and how often its handlers ran.

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Drainable } from '../../../src/middleware/engine/index.ts'
import { Client } from './client.ts'
import type { Service } from './service.ts'

/** Counts the runs of each route's handler. */
export class Runs {
  readonly #counts = new Map<string, number>()

  /** Counts one more run, and answers how many there were. */
  add(route: string): number {
    const run = this.of(route) + 1
    this.#counts.set(route, run)
    return run
  }

  of(route?: string): number {
    if (route !== undefined) return this.#counts.get(route) ?? 0
    return [...this.#counts.values()].reduce((sum, each) => sum + each, 0)
  }
}

/** The service behind a listener, on a free port; `scopes` are the middlewares that can end it. */
export async function listening(
  listener: RequestListener,
  runs: Runs,
  [scopes]: readonly Drainable[],
): Promise<Service> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new Client(port)
  return {
    port,
    server,
    client,
    drain: async (options) => {
      if (!scopes) throw new Error('The service mounts no requestScope()')
      return scopes.drain({ server, ...options })
    },
    runs: (route) => runs.of(route),
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]()
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
}
