// Counts the statements that reach a PostgreSQL server, on their way to it.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface StatementCounter extends AsyncDisposable {
  /** The server's address by this way. */
  readonly url: string
  /** How many statements clients sent during `work`. */
  count(work: () => Promise<unknown>): Promise<number>
}

/** Stands between clients and the server at `url`, and passes everything on as it is. */
export async function countStatements(url: string): Promise<StatementCounter> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let statements = 0
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    const messages = new FrontendMessages((type) => {
      // A simple query, or the execution of a prepared one.
      if (type === 'Q' || type === 'E') statements++
    })
    client.on('data', (chunk) => messages.push(chunk))
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true).pipe(to)
      from.on('error', () => to.destroy()).on('close', () => sockets.delete(from))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const own = new URL(url)
  own.hostname = '127.0.0.1'
  own.port = `${port}`
  return {
    url: own.href,
    count: async (work) => {
      const before = statements
      await work()
      return statements - before
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** The messages of a client: after the first one, which has no type, each is a type, a length, and a body. */
class FrontendMessages {
  readonly #told: (type: string) => void
  #rest: Buffer = Buffer.alloc(0)
  #started = false

  constructor(told: (type: string) => void) {
    this.#told = told
  }

  push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (;;) {
      const header = this.#started ? 5 : 4
      if (this.#rest.length < header) return
      const length = this.#rest.readInt32BE(header - 4) + header - 4
      if (this.#rest.length < length) return
      if (this.#started) this.#told(this.#rest.toString('latin1', 0, 1))
      this.#started = true
      this.#rest = this.#rest.subarray(length)
    }
  }
}
