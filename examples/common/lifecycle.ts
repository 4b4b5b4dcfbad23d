// The beginning and the end of the service: what it says when it listens, and how a signal ends it.
import type { AddressInfo, Server } from 'node:net'
import { type Greeting, greeting } from './greeting.ts'
import { stopTelemetry } from './telemetry.ts'

/** Says how to try the service once it listens; a signal ends it by `close`. */
export function announce(
  server: Server,
  told: Omit<Greeting, 'url'>,
  close: () => Promise<void>,
): void {
  server.once('listening', () => {
    const { port } = server.address() as AddressInfo
    console.log(greeting({ ...told, url: `http://localhost:${port}` }))
  })
  server.once('error', ({ message }) => {
    console.error(`${message}: set PORT to another port`)
    process.exit(1)
  })
  const end = async (): Promise<void> => {
    await close()
    await stopTelemetry()
  }
  // Once: a second signal ends the process at once.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end)
}
