// The servers of a run: those that REDIS_URL and DATABASE_URL name, else private ones, started when first asked for.

import { startPostgres } from '../test/support/postgres-server.ts'
import { startRedis } from '../test/support/redis-server.ts'

export interface Servers extends AsyncDisposable {
  redis(): Promise<string>
  postgres(): Promise<string>
}

type Server = AsyncDisposable & { readonly url: string }

export function servers(): Servers {
  const started: Promise<Server>[] = []
  const keep = (server: Promise<Server>): Promise<Server> => {
    started.push(server)
    return server
  }
  const once = (
    given: string | undefined,
    start: () => Promise<Server>,
  ): (() => Promise<string>) => {
    let server: Promise<Server> | undefined
    return async () => {
      if (given) return given
      server ??= keep(start())
      return (await server).url
    }
  }
  return {
    redis: once(process.env.REDIS_URL, () => startRedis()),
    postgres: once(process.env.DATABASE_URL, () => startPostgres()),
    [Symbol.asyncDispose]: async () => {
      for (const server of started) await (await server)[Symbol.asyncDispose]()
    },
  }
}
