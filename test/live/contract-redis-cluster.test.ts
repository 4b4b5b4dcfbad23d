// The Redis store keeps the contract over a cluster of three nodes, over each ioredis that is supported, whatever else
// the user's client is for.

import { Cluster } from 'ioredis'
import { Cluster as Cluster5 } from 'ioredis5'
import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract } from '../support/contract-run.ts'
import { contraryClusterOptions } from '../support/contrary-options.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { redisStore } from '../support/redis-store.ts'

let servers: RedisCluster
beforeAll(async () => {
  servers = await startRedisCluster()
}, 60_000)
afterAll(() => servers[Symbol.asyncDispose]())

// Another major version of the same client: its types differ where the adapter does not look.
const OlderCluster = Cluster5 as unknown as typeof Cluster

describe.each<readonly [string, () => Cluster]>([
  ['ioredis 6', () => new Cluster([...servers.startupNodes])],
  ['ioredis 5', () => new OlderCluster([...servers.startupNodes])],
  [
    'ioredis 6 for other ends',
    () => new Cluster([...servers.startupNodes], contraryClusterOptions),
  ],
  [
    'ioredis 5 for other ends',
    () => new OlderCluster([...servers.startupNodes], contraryClusterOptions),
  ],
])('over %s', (client, connect) => {
  let direct: Cluster
  let cluster: Cluster
  beforeAll(() => {
    direct = new Cluster([...servers.startupNodes])
    cluster = connect()
  })
  afterAll(async () => {
    cluster.disconnect()
    await direct.quit()
  })

  const store = () =>
    redisStore(
      () => cluster,
      () => direct,
    )
  describeContract(`redis cluster (${client})`, store, { concurrent: true })
})
