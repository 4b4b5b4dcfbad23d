// The beginning and the end of the service: what it says when it listens, and how a signal ends it.
import type { AddressInfo, Server } from 'node:net'
import { type Greeting, greeting } from './greeting.ts'
import { stopTelemetry } from './telemetry.ts'

/** Says how to try the service once it listens; a signal lets running requests finish, then closes everything. */
export function announce(
  server: Server & { closeIdleConnections?: () => void },
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
  const end = (): void => {
    // A connection is idle when its last answer has left, which is after the server was told to close.
    const idle = setInterval(() => server.closeIdleConnections?.(), 100)
    server.close(async () => {
      clearInterval(idle)
      await close()
      await stopTelemetry()
    })
  }
  // Once: a second signal ends the process at once.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, end)
}
