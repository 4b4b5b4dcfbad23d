// The Redis store keeps the contract over a cluster of three nodes, over each ioredis that is supported.

import { Cluster } from 'ioredis'
import { Cluster as Cluster5 } from 'ioredis5'
import { afterAll, beforeAll, describe } from 'vitest'
import { describeContract } from '../support/contract-run.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { redisStore } from '../support/redis-store.ts'

let servers: RedisCluster
beforeAll(async () => {
  servers = await startRedisCluster()
}, 60_000)
afterAll(() => servers[Symbol.asyncDispose]())

describe.each([
  ['ioredis 6', Cluster],
  // Another major version of the same client: its types differ where the adapter does not look.
  ['ioredis 5', Cluster5 as unknown as typeof Cluster],
])('over %s', (client, Client) => {
  let cluster: Cluster
  beforeAll(() => {
    cluster = new Client([...servers.startupNodes])
  })
  afterAll(async () => {
    await cluster.quit()
  })

  describeContract(`redis cluster (${client})`, () => redisStore(() => cluster), {
    concurrent: true,
  })
})
