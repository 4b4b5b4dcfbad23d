// What callers see of a Redis Cluster while its nodes are silent, away or replaced, and while slots move.

import { Cluster } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hostileNames } from '../../src/adapters/contract/hostile-names.ts'
import { entry, exclusive, kept, once, outcome } from '../../src/adapters/contract/requests.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { isStoreUnavailableError, Lock } from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { type ClusterNode, type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'
import { acquireWhenServed } from '../support/when-served.ts'

const DEADLINE = 1_000
/** What a loaded machine may add to a deadline. */
const SLACK = 1_500

let servers: RedisCluster
let cluster: Cluster
let provider: RedisAdapter
const unhandled: unknown[] = []
const noteUnhandled = (reason: unknown) => void unhandled.push(reason)

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function connect(): void {
  cluster = new Cluster([...servers.startupNodes])
  cluster.on('error', () => {})
  provider = new RedisAdapter(cluster, { deadline: DEADLINE })
}

/** A lock's key for each node, in their order, whose data is on it. */
async function keysByNode(nodes: readonly ClusterNode[]): Promise<string[]> {
  const keys = new Map<ClusterNode, string>()
  for (let i = 0; keys.size < nodes.length; i++) {
    const key = `key-${i}`
    const node = await servers.masterOf(await servers.slotOf(`holdfast:{lock:${key}}:r`))
    if (!keys.has(node)) keys.set(node, key)
  }
  return nodes.map((node) => keys.get(node) as string)
}

const lockOf = (key: string | undefined, ttl = 30_000): Lock =>
  new Lock(undefined, { provider, key: key as string, ttl })

/** Acquires and releases; answers the error, if any, and how long it took. */
async function attempt(key: string | undefined): Promise<{ error: unknown; took: number }> {
  const began = performance.now()
  try {
    await (await lockOf(key).acquire()).release()
    return { error: undefined, took: performance.now() - began }
  } catch (error) {
    return { error, took: performance.now() - began }
  }
}

async function expectUnavailable(key: string | undefined): Promise<void> {
  const { error, took } = await attempt(key)
  expect(isStoreUnavailableError(error), String(error)).toBe(true)
  expect(took).toBeLessThan(DEADLINE + SLACK)
}

beforeEach(() => void process.on('unhandledRejection', noteUnhandled))
afterEach(() => {
  process.off('unhandledRejection', noteUnhandled)
  expect(unhandled.splice(0)).toEqual([])
})

describe('of three nodes', () => {
  beforeAll(async () => {
    servers = await startRedisCluster()
  }, 60_000)
  afterAll(() => servers[Symbol.asyncDispose]())
  beforeEach(async () => {
    await servers.settled()
    connect()
  })
  afterEach(async () => {
    await provider.disconnect()
    cluster.disconnect()
  })

  test('every operation is one script on one slot, whatever the name is', async () => {
    const { grants, records, histories, rates, counts } = provider
    const rules = ['a', '{b}', '}:{'].map((name) => ({ name, interval: 1_000, burst: 5 }))
    const inbox = { id: 'inbox', listening: false }
    for (const name of hostileNames('cluster')) {
      const grant = exclusive(name)
      await grants.acquire(grant)
      await grants.acquire(exclusive(name, { wait: true, inbox }))
      await grants.beat(name, inbox, [grant.id])
      await grants.renew(name, grant.id, 1_000)
      await grants.inspect(name)
      await grants.release(name, grant.id)
      const claim = once(name)
      await records.begin(claim)
      await records.renew(name, claim.id, 1_000)
      await records.commit(outcome(claim, 'value'))
      await records.drop(name, claim.id)
      await records.put(kept(name, 'value'))
      await records.remove(name)
      await histories.open(name, 1, 1_000)
      await histories.append(entry(name, 1, 1))
      await histories.read(name)
      await histories.list(name)
      await histories.trim(name, 1)
      await histories.remove(name)
      await rates.consume({ limiter: name, rules, cost: 1 })
      await rates.reset(name, rules)
      const outcomes = { success: 1, failure: 0, slow: 0 }
      const at = { breaker: name, generation: 0 }
      await counts.report({ ...at, window: 1_000, outcomes, reporter: 'r', sequence: 1 })
      await counts.move({ ...at, phase: 'open', openFor: 1, trips: 1, channel: 'c' })
    }
  })

  test('a waiter is called by a message, whichever node holds the data', async () => {
    const other = new RedisAdapter(cluster)
    const called = new Map<string, () => void>()
    const inbox = { id: crypto.randomUUID(), listening: true }
    await other.signals.listen(inbox.id, {
      message: (id) => called.get(id)?.(),
      restored: () => {},
    })
    for (const key of await keysByNode(servers.nodes)) {
      const holder = exclusive(`lock:${key}`)
      await provider.grants.acquire(holder)
      const waiter = exclusive(`lock:${key}`, { wait: true, inbox })
      await other.grants.acquire(waiter)
      const call = deferred()
      called.set(waiter.id, call.resolve)
      await provider.grants.release(holder.resource, holder.id)
      // Nobody beats: only the message can tell.
      await call.promise
      expect(await other.grants.renew(waiter.resource, waiter.id, 1_000)).toBeGreaterThan(0)
      await other.grants.release(waiter.resource, waiter.id)
    }
    await other.disconnect()
  })

  test('whoever loses the node that its messages come from is told, and hears another', async () => {
    const channel = crypto.randomUUID()
    let restored = deferred()
    let heard = deferred<string>()
    const listening = await provider.signals.listen(channel, {
      message: (text) => heard.resolve(text),
      restored: () => restored.resolve(),
    })
    const subscribedNode = async (): Promise<ClusterNode> => {
      for (const node of servers.nodes) {
        if (`${await node.client.client('LIST')}`.includes('name=holdfast-signals')) return node
      }
      throw new Error('Expected a node to be listened to')
    }
    const expectRestored = async (key: string | undefined): Promise<void> => {
      await restored.promise
      expect(listening.live).toBe(true)
      await provider.records.remove(`lock:${key}`, { channel, text: 'hello' })
      expect(await heard.promise).toBe('hello')
      restored = deferred()
      heard = deferred()
    }
    await (await subscribedNode()).client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await expectRestored('any')
    const node = await subscribedNode()
    const [key] = await keysByNode(servers.nodes.filter((each) => each !== node))
    await node.kill()
    await expectRestored(key)
    await node.restart()
    listening.close()
  })

  test('a node that is silent fails calls about its own data by the deadline, and no others', async () => {
    const [silent] = servers.nodes as [ClusterNode]
    const [failing, ...fine] = await keysByNode(servers.nodes)
    for (const key of [failing, ...fine])
      expect(await attempt(key)).toMatchObject({ error: undefined })
    silent.pause()
    const stillThere = (async () => {
      for (let round = 0; round < 20; round++) {
        for (const key of fine) expect((await attempt(key)).error).toBeUndefined()
        await pause(100)
      }
    })()
    for (let round = 0; round < 3; round++) await expectUnavailable(failing)
    await stillThere
    const newcomer = new Cluster([...servers.startupNodes])
    const fresh = new RedisAdapter(newcomer, { deadline: DEADLINE })
    const guard = await new Lock(undefined, { provider: fresh, key: fine[0] as string }).acquire()
    expect(await guard.release()).toEqual({ released: true })
    newcomer.disconnect()
    silent.resume()
    await eventually(async () => (await attempt(failing)).error === undefined, {
      what: 'its data to be served again',
      within: 10_000,
    })
  })

  test('a node that is killed fails calls about its own data only, and serves them when it is back', async () => {
    const [killed] = servers.nodes as [ClusterNode]
    const [failing, ...fine] = await keysByNode(servers.nodes)
    const guard = await lockOf(fine[0]).acquire()
    for (const key of [failing, fine[1]]) expect((await attempt(key)).error).toBeUndefined()
    await killed.kill()
    for (let round = 0; round < 3; round++) {
      await expectUnavailable(failing)
      expect((await attempt(fine[1])).error).toBeUndefined()
    }
    await killed.restart()
    await eventually(async () => (await attempt(failing)).error === undefined, {
      what: 'its data to be served again',
      within: 10_000,
    })
    expect(await guard.release()).toEqual({ released: true })
  })

  test('nobody notices that a slot moves to another node', async () => {
    const [key] = (await keysByNode(servers.nodes)) as [string]
    const slot = await servers.slotOf(`holdfast:{lock:${key}}:r`)
    const held = await lockOf(key).acquire()
    const [, second, third] = servers.nodes as [ClusterNode, ClusterNode, ClusterNode]
    await servers.moveSlot(slot, second)
    await held.extend(30_000)
    expect((await held.release()).released).toBe(true)

    let inside = 0
    let most = 0
    let rounds = 0
    let over = false
    const caller = async (): Promise<void> => {
      const lock = lockOf(key)
      while (!over) {
        const guard = await lock.acquire({ timeout: 10_000 })
        most = Math.max(most, ++inside)
        await pause(1)
        inside--
        expect(await guard.release()).toEqual({ released: true })
        rounds++
      }
    }
    const callers = Promise.all([caller(), caller(), caller()])
    for (const node of [third, second, third, second]) {
      const before = rounds
      await servers.moveSlot(slot, node)
      await eventually(() => rounds > before + 20, { within: 10_000 })
    }
    over = true
    await callers
    expect(most).toBe(1)
  })
})

test('a replica that takes over from a silent master is found, and knows its holders and waiters', async () => {
  servers = await startRedisCluster({ replicas: 1 })
  connect()
  try {
    const masters = servers.nodes.slice(0, 3)
    const [key, other] = await keysByNode(masters)
    const [master] = masters as [ClusterNode]
    const lock = lockOf(key)
    const first = await lock.acquire()
    const waiting = acquireWhenServed(lock)
    await eventually(async () => (await lock.inspect()).waiters.length === 1)
    await master.client.call('WAIT', 1, 10_000)
    // Silent and not closed: whoever waits for its answers must give them up.
    master.pause()
    // What is heard from the other nodes is no sign of life of this one.
    let served = false
    const others = (async () => {
      while (!served) {
        expect((await attempt(other)).error).toBeUndefined()
        await pause(50)
      }
    })()
    await eventually(async () => (await lock.inspect()).holders.length === 1, {
      what: 'the replica to serve',
      within: 30_000,
    })
    served = true
    await others
    expect(first.held).toBe(true)
    expect(await first.release()).toEqual({ released: true })
    const next = await waiting
    expect(next.fencingToken).toBeGreaterThan(first.fencingToken)
    expect(await next.release()).toEqual({ released: true })
  } finally {
    await provider.disconnect()
    cluster.disconnect()
    await servers[Symbol.asyncDispose]()
  }
}, 90_000)
