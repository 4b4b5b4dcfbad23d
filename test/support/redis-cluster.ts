// Starts a private Redis Cluster: masters that share all slots, each with replicas if asked.

import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { freePortPair } from './free-port.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

const SLOTS = 16_384
const MASTERS = 3
/** Where a node listens for the others, counted from its port. */
const BUS = 10_000
/** What forming a cluster may take on a loaded machine. */
const PATIENCE = 30_000

export interface RedisClusterOptions {
  /** Of each master. @defaultValue 0 */
  readonly replicas?: number
}

export interface ClusterNode extends RedisServer {
  /** Its name in the cluster. */
  readonly id: string
  /** A connection to this node alone, for the test's own use. */
  readonly client: Redis
}

export interface RedisCluster extends AsyncDisposable {
  /** What a Cluster client is started with. */
  readonly startupNodes: readonly { readonly host: string; readonly port: number }[]
  readonly nodes: readonly ClusterNode[]
  slotOf(key: string): Promise<number>
  /** The node that serves a slot now. */
  masterOf(slot: number): Promise<ClusterNode>
  /** Moves a slot to another node, keys and all, as an operator's resharding does. */
  moveSlot(slot: number, to: ClusterNode): Promise<void>
  /** Resolves once every node sees all slots served and all nodes well. */
  settled(): Promise<void>
}

/** Starts one of three masters, and resolves once it is settled. */
export async function startRedisCluster({
  replicas = 0,
}: RedisClusterOptions = {}): Promise<RedisCluster> {
  const nodes: ClusterNode[] = []
  const dispose = async (): Promise<void> => {
    for (const node of nodes) {
      node.client.disconnect()
      await node[Symbol.asyncDispose]()
    }
  }
  try {
    for (let at = 0; at < MASTERS * (1 + replicas); at++) nodes.push(await startNode())
    const [first] = nodes as [ClusterNode]
    for (const { client } of nodes) await client.cluster('MEET', '127.0.0.1', first.port)
    for (const [at, { client }] of nodes.slice(0, MASTERS).entries()) {
      const [from = 0, end = 0] = [at, at + 1].map((part) => Math.ceil((part * SLOTS) / MASTERS))
      await client.cluster('ADDSLOTS', ...Array.from({ length: end - from }, (_, i) => from + i))
    }
    const settled = async (): Promise<void> => {
      for (const node of nodes) {
        await eventually(() => isWell(node, nodes.length), {
          what: 'every node to see a whole cluster',
          within: PATIENCE,
        })
      }
    }
    await settled()
    for (const [at, { client }] of nodes.entries()) {
      if (at < MASTERS) continue
      await client.cluster('REPLICATE', (nodes[at % MASTERS] as ClusterNode).id)
    }
    await settled()
    const masterOf = (slot: number): Promise<ClusterNode> =>
      eventually(
        async () => {
          for (const node of nodes) {
            if (await serves(node, slot).catch(() => false)) return node
          }
          return undefined
        },
        { what: `slot ${slot} to be served`, within: PATIENCE },
      )
    return {
      startupNodes: nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
      nodes,
      slotOf: (key) => first.client.cluster('KEYSLOT', key),
      masterOf,
      moveSlot: async (slot, to) => moveSlot(slot, await masterOf(slot), to),
      settled,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function startNode(): Promise<ClusterNode> {
  const server = await startRedis({
    port: await freePortPair(BUS),
    args: [
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'],
      // What one node serves must not stop what the others serve.
      ...['--cluster-require-full-coverage', 'no', '--cluster-replica-validity-factor', '0'],
    ],
  })
  const client = new Redis(server.url, { retryStrategy: () => 50, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  const id = await client.cluster('MYID')
  // Not spread: the process id is another one after a restart.
  return Object.assign(Object.create(server) as RedisServer, {
    id,
    client,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
}

async function moveSlot(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
  await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id)
  await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id)
  for (;;) {
    const keys = await from.client.cluster('GETKEYSINSLOT', slot, 100)
    if (keys.length === 0) break
    await from.client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys)
  }
  for (const { client } of [to, from]) await client.cluster('SETSLOT', slot, 'NODE', to.id)
}

async function isWell({ client }: ClusterNode, count: number): Promise<boolean> {
  const info = await client.cluster('INFO')
  const lines = `${await client.cluster('NODES')}`.trim().split('\n')
  const link = /^master_link_status:(\w+)/m.exec(await client.info('replication'))?.[1] ?? 'up'
  return (
    info.includes('cluster_state:ok') &&
    info.includes(`cluster_slots_ok:${SLOTS}`) &&
    lines.length === count &&
    lines.every((line) => !/fail|handshake|noaddr/.test(line)) &&
    link === 'up'
  )
}

async function serves({ client, id }: ClusterNode, slot: number): Promise<boolean> {
  const ranges = await client.cluster('SLOTS')
  return ranges.some(([from, to, master]) => master?.[2] === id && from <= slot && slot <= to)
}
