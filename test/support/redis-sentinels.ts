// Starts a private master and its replica, watched by Sentinels that fail over to the replica within seconds.

import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { startReplicatedRedis } from './redis-replicated.ts'
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
  const { master, replica, ...servers } = await startReplicatedRedis()
  const sentinels: RedisServer[] = []
  const dispose = async (): Promise<void> => {
    for (const sentinel of sentinels) await sentinel[Symbol.asyncDispose]()
    await servers[Symbol.asyncDispose]()
  }
  try {
    const watch = [
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${NAME} 500`,
      `sentinel failover-timeout ${NAME} 3000`,
    ]
    for (let at = 0; at < SENTINELS; at++) sentinels.push(await startRedis({ sentinel: watch }))
    for (const { url } of sentinels) {
      await expectToKnowAll(url)
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

async function expectToKnowAll(url: string): Promise<void> {
  const sentinel = new Redis(url)
  const know = async (): Promise<boolean> => {
    const fields = (await sentinel.call('SENTINEL', 'MASTER', NAME)) as string[]
    const told = (field: string) => Number(fields[fields.indexOf(field) + 1])
    return told('num-slaves') === 1 && told('num-other-sentinels') === SENTINELS - 1
  }
  try {
    await eventually(know, {
      what: 'a Sentinel to know the replica and the other Sentinels',
      within: 30_000,
    })
  } finally {
    sentinel.disconnect()
  }
}
