// Elections while candidates are killed, stopped and cut off: no two ever believe at once that they lead.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { type Belief, beliefsOf, overlaps, termsOf } from '../support/beliefs.ts'
import { type Child, type ChildMessage, startChild } from '../support/child.ts'
import { dropStore } from '../support/drop-store.ts'
import { eventually } from '../support/eventually.ts'
import { openStore, type StoreAt } from '../support/server-store.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const CANDIDATES = 5
const MILLISECONDS = 30_000
const TIMINGS = { ttl: 1_500, renewDeadline: 1_000, retryInterval: 250 }

const logs = mkdtempSync(join(tmpdir(), 'holdfast-election-'))
afterAll(() => rmSync(logs, { recursive: true }))

const servers: Pick<StoreAt, 'kind' | 'url'>[] = [
  { kind: 'redis', url: inject('redisUrl') },
  { kind: 'postgres', url: inject('databaseUrl') },
]
let stores = 0

/** A store of a test's own, with a proxy in front of it for each candidate. */
function storeOf(server: Pick<StoreAt, 'kind' | 'url'>): StoreAt {
  return { ...server, name: `election_${process.pid}_${++stores}` }
}

interface Candidate {
  readonly owner: string
  readonly child: Child
  readonly proxy: TcpProxy
  readonly log: string
}

let started = 0

async function start(
  store: StoreAt,
  stack: AsyncDisposableStack,
  { shortened = 1 } = {},
): Promise<Candidate> {
  const owner = `candidate-${++started}`
  const log = join(logs, owner)
  const { hostname, port } = new URL(store.url)
  const proxy = stack.use(await startTcpProxy({ host: hostname, port: Number(port) }))
  const child = stack.use(
    startChild(new URL('./election-child.ts', import.meta.url), {
      argument: {
        store: { ...store, url: proxy.through(store.url) },
        owner,
        log,
        shortened,
        ...TIMINGS,
      },
    }),
  )
  await child.next('standing')
  return { owner, child, proxy, log }
}

function believed(candidates: readonly Candidate[]): Belief[] {
  return candidates.flatMap(({ owner, log }) => beliefsOf(owner, log))
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const between = (least: number, most: number) => least + Math.random() * (most - least)
const oneOf = <T>(choices: readonly T[]): T =>
  choices[Math.floor(Math.random() * choices.length)] as T

/** Each call answers whoever of these leads next. */
function leadersOf(candidates: readonly Candidate[]): () => Promise<Candidate> {
  const elected = new Map<Candidate, Promise<Candidate>>()
  return async () => {
    for (const candidate of candidates) {
      // One question for each message: what is asked twice takes two.
      const asked: Promise<unknown> =
        elected.get(candidate) ?? candidate.child.next('leads', 60_000)
      elected.set(
        candidate,
        asked.then(() => candidate),
      )
    }
    const leader = await Promise.race(elected.values())
    elected.delete(leader)
    return leader
  }
}

describe.each(servers)('on $kind', (server) => {
  test('for half a minute of faults no two lead at once, and terms grow', async () => {
    const store = storeOf(server)
    await using stack = new AsyncDisposableStack()
    const all: Candidate[] = []
    const alive = new Set<Candidate>()
    const enter = async (): Promise<void> => {
      const candidate = await start(store, stack)
      all.push(candidate)
      alive.add(candidate)
    }
    for (let count = 0; count < CANDIDATES; count++) await enter()
    const leader = (): Candidate => {
      const last = believed([...alive]).toSorted((a, b) => (a.to < b.to ? 1 : -1))[0]
      return [...alive].find(({ owner }) => owner === last?.who) ?? oneOf([...alive])
    }
    const faults: Record<string, number> = {}
    const faultsOf = {
      kill: async (victim: Candidate) => {
        alive.delete(victim)
        await victim.child.kill('SIGKILL')
        await enter()
      },
      stop: async ({ child }: Candidate) => {
        child.pause()
        await pause(between(200, 3_000))
        child.resume()
      },
      hold: async ({ proxy }: Candidate) => {
        await proxy.hold({ onResume: oneOf(['deliver', 'drop']) })
        await pause(between(200, 3_000))
        await proxy.pass()
      },
      cut: async ({ proxy }: Candidate) => {
        await proxy.cut()
        await pause(between(200, 3_000))
        await proxy.pass()
      },
      resign: async ({ child }: Candidate) => child.send({ type: 'resign' }),
    }
    const busy = new Set<Candidate>()
    const underWay = new Set<Promise<void>>()
    for (const until = performance.now() + MILLISECONDS; performance.now() < until; ) {
      await pause(between(100, 900))
      const victim = Math.random() < 0.6 ? leader() : oneOf([...alive])
      if (busy.has(victim)) continue
      const kind = oneOf(Object.keys(faultsOf)) as keyof typeof faultsOf
      faults[kind] = (faults[kind] ?? 0) + 1
      busy.add(victim)
      const fault = faultsOf[kind](victim).then(() => {
        busy.delete(victim)
        underWay.delete(fault)
      })
      underWay.add(fault)
    }
    await Promise.all(underWay)

    // All is well again: somebody leads.
    const healed = process.hrtime.bigint()
    while (!believed([...alive]).some(({ to }) => to > healed)) await pause(100)
    for (const { child } of alive) child.send({ type: 'stop' })
    await Promise.all([...alive].map(({ child }) => child.next('stopped', 30_000)))

    const beliefs = believed(all)
    const terms = termsOf(beliefs)
    console.log(
      `election on ${store.kind}: ${terms.length} terms of ${all.length} candidates in ${MILLISECONDS / 1000} s, faults ${JSON.stringify(faults)}`,
    )
    expect(terms.length).toBeGreaterThan(5)
    expect(overlaps(beliefs)).toEqual([])
    expect(terms).toEqual(terms.toSorted((a, b) => a - b))
    expect(new Set(terms).size).toBe(terms.length)
    await dropStore(store)
  }, 120_000)

  test('a leader that resigns is followed by message, not by a beat', async () => {
    const store = storeOf(server)
    await using stack = new AsyncDisposableStack()
    const candidates: Candidate[] = []
    for (let count = 0; count < 3; count++) candidates.push(await start(store, stack))
    const nextLeader = leadersOf(candidates)
    const { provider, close } = openStore(store)
    const queue = () => provider.grants.inspect('leader:scheduler')
    for (let handOver = 0; handOver < 12; handOver++) {
      const leader = await nextLeader()
      // Both of the others wait: whoever has resigned stands at the end of the queue.
      await eventually(async () => (await queue()).waiters.length === 2)
      leader.child.send({ type: 'resign' })
      await leader.child.next('led')
    }
    await nextLeader()
    for (const { child } of candidates) child.send({ type: 'stop' })
    const stopped = await Promise.all(
      candidates.map(({ child }) => child.next<ChildMessage & { wakeups: string[] }>('stopped')),
    )
    const wakeups = stopped.flatMap(({ wakeups }) => wakeups)
    // The first of all found nobody to wait for.
    expect(wakeups.filter((wakeup) => wakeup === 'none')).toHaveLength(1)
    expect(new Set(wakeups)).toEqual(new Set(['none', 'message']))
    expect(wakeups.length).toBeGreaterThanOrEqual(13)
    await close()
    await dropStore(store)
  }, 60_000)
})

test('where leases end before they are believed to, the two at once are found out', async () => {
  const [redis] = servers
  const store = storeOf(redis as (typeof servers)[number])
  await using stack = new AsyncDisposableStack()
  // The store ends the lease after 300 ms, and its leader believes in it for 1,000.
  const first = await start(store, stack, { shortened: 5 })
  await first.child.next('leads')
  const second = await start(store, stack, { shortened: 5 })
  await first.proxy.hold()
  await second.child.next('leads')
  await first.child.next('led')
  expect(overlaps(believed([first, second]))).toHaveLength(1)
})
