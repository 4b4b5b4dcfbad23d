// Starts a private master and its replica, watched by Sentinels that fail over to the replica within seconds.

import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

const SENTINELS = 3
const NAME = 'holdfast'

export interface RedisSentinels extends AsyncDisposable {
  /** What a client is made with, so that it finds the master by asking. */
  readonly options: {
    readonly name: string
    readonly sentinels: { readonly host: string; readonly port: number }[]
  }
  readonly master: RedisServer
  readonly replica: RedisServer
}

/** Resolves once all Sentinels know the replica and each other. */
export async function startRedisSentinels(): Promise<RedisSentinels> {
  const started: RedisServer[] = []
  const dispose = async (): Promise<void> => {
    for (const server of started.reverse()) await server[Symbol.asyncDispose]()
  }
  try {
    const { master, replica } = await startReplicated(started)
    const watch = [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${NAME} 500`,
      `sentinel failover-timeout ${NAME} 3000`,
    ]
    const sentinels: RedisServer[] = []
    for (let at = 0; at < SENTINELS; at++) sentinels.push(await startRedis({ sentinel: watch }))
    started.push(...sentinels)
    for (const { url } of sentinels) {
      await asking(url, (sentinel) =>
        eventually(
          async () => {
            const fields = (await sentinel.call('SENTINEL', 'MASTER', NAME)) as string[]
            const told = (field: string) => fields[fields.indexOf(field) + 1]
            const others = `${SENTINELS - 1}`
            return told('num-slaves') === '1' && told('num-other-sentinels') === others
          },
          { what: 'a Sentinel to know the replica and the others', within: 30_000 },
        ),
      )
    }
    return {
      options: {
        name: NAME,
        sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
      },
      master,
      replica,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** A master and a replica that follows it; both are added to what is to be ended. */
export async function startReplicated(
  started: RedisServer[],
): Promise<{ readonly master: RedisServer; readonly replica: RedisServer }> {
  const master = await startRedis()
  started.push(master)
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${master.port}`] })
  started.push(replica)
  await asking(replica.url, (redis) =>
    eventually(async () => (await redis.info('replication')).includes('master_link_status:up'), {
      what: 'the replica to follow',
      within: 30_000,
    }),
  )
  return { master, replica }
}

async function asking<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url)
  try {
    return await ask(redis)
  } finally {
    redis.disconnect()
  }
}
