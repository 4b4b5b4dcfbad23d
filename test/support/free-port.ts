// Finds TCP ports of 127.0.0.1 that nobody listens on.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

const LAST = 65_535

export const freePort = (): Promise<number> => listenOnce(0)

/** One that is free together with the port that lies `offset` above it. */
export async function freePortPair(offset: number): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port + offset > LAST) continue
    const other = await listenOnce(port + offset).catch(() => undefined)
    if (other !== undefined) return port
  }
}

async function listenOnce(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
