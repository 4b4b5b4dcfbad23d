// Starts a private Redis and a replica that follows it.

import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

export interface ReplicatedRedis extends AsyncDisposable {
  readonly master: RedisServer
  readonly replica: RedisServer
}

/** Resolves once the replica has what the master has. */
export async function startReplicatedRedis(): Promise<ReplicatedRedis> {
  const started: RedisServer[] = []
  const start = async (args: readonly string[]): Promise<RedisServer> => {
    const server = await startRedis({ args })
    started.push(server)
    return server
  }
  const dispose = async (): Promise<void> => {
    for (const server of started) await server[Symbol.asyncDispose]()
  }
  try {
    const master = await start([])
    const replica = await start(['--replicaof', '127.0.0.1', `${master.port}`])
    const direct = new Redis(replica.url)
    try {
      await eventually(
        async () => (await direct.info('replication')).includes('master_link_status:up'),
        { what: 'the replica to follow', within: 30_000 },
      )
    } finally {
      direct.disconnect()
    }
    return { master, replica, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
