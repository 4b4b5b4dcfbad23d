// Four processes share a cache: one load for all of them, one more when its process is killed, and changes that win.

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { Cache, type CacheProvider } from '../../src/index.ts'
import { type Child, type ChildMessage, startChild } from '../support/child.ts'
import { dropSchema } from '../support/postgres-store.ts'
import { countCommands } from '../support/redis-commands.ts'
import { deleteKeys } from '../support/redis-store.ts'
import type { CacheChildArgument } from './cache-child.ts'

const PROCESSES = 4
const LOAD = 50
/** More than any machine is late by. */
const WITHIN = 20_000

const schema = `cache_${randomUUID().slice(0, 8)}`
const keyPrefix = `${schema}:`
const redis = new Redis(inject('redisUrl'))
const pool = new Pool({ connectionString: inject('databaseUrl') })

const stores: readonly { store: CacheChildArgument['store']; url: string }[] = [
  { store: 'Redis', url: inject('redisUrl') },
  { store: 'PostgreSQL', url: inject('databaseUrl') },
]
const providers: Readonly<Record<string, CacheProvider & { disconnect(): Promise<void> }>> = {
  Redis: new RedisAdapter(redis, { keyPrefix }),
  PostgreSQL: new PostgresAdapter(pool, { keyPrefix, schema }),
}

beforeAll(async () => {
  await new PostgresAdapter(pool, { keyPrefix, schema }).connect()
})
afterAll(async () => {
  for (const provider of Object.values(providers)) await provider.disconnect()
  await deleteKeys(redis, keyPrefix)
  await dropSchema(pool, schema)
  await redis.quit()
  await pool.end()
})

interface LoadBegun extends ChildMessage {
  readonly number: number
}

/** A load that has begun in one of the processes, and waits for its value. */
interface Load {
  readonly reader: Reader
  land(value: string): void
}

/** The loads of all processes, in the order in which they begin. */
class Loads {
  begun = 0
  readonly #waiting: Load[] = []
  #wake: ((load: Load) => void) | undefined

  /** Hears of the loads of a process until it ends. */
  async watch(reader: Reader): Promise<void> {
    for (;;) {
      const { number } = await reader.child.next<LoadBegun>('load', 600_000)
      this.begun++
      this.#waiting.push({
        reader,
        land: (value) => reader.child.send({ type: `loaded ${number}`, value }),
      })
      this.#hand()
    }
  }

  next(): Promise<Load> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#hand()
    })
  }

  #hand(): void {
    const [load] = this.#waiting
    if (!load || !this.#wake) return
    this.#waiting.shift()
    this.#wake(load)
    this.#wake = undefined
  }
}

/** A process of the cache. */
class Reader {
  readonly child: Child
  #orders = 0

  constructor(child: Child) {
    this.child = child
  }

  /** Orders reads of a key, or a change; answers the different values that came. */
  async order(what: 'read' | 'set' | 'delete', key: string, more = {}): Promise<unknown> {
    const id = ++this.#orders
    this.child.send({ type: 'order', id, what, key, times: 1, ...more })
    const { answer, error } = await this.child.next(`answer ${id}`, WITHIN)
    if (error !== undefined) throw new Error(String(error))
    return answer
  }
}

async function start(
  stack: AsyncDisposableStack,
  options: Pick<CacheChildArgument, 'store' | 'url'> & Partial<CacheChildArgument>,
): Promise<{ readonly readers: readonly Reader[]; readonly loads: Loads }> {
  const argument = { keyPrefix, schema, memory: true, lease: 10_000, ...options }
  const readers = Array.from({ length: PROCESSES }, () => {
    const program = new URL('./cache-child.ts', import.meta.url)
    return new Reader(stack.use(startChild(program, { argument })))
  })
  await Promise.all(readers.map(({ child }) => child.next('ready', WITHIN)))
  const loads = new Loads()
  for (const reader of readers) loads.watch(reader).catch(() => {})
  return { readers, loads }
}

describe.each(stores)('on $store', ({ store, url }) => {
  test('1,000 reads of a missing value in 4 processes are one load of 50 ms', async () => {
    await using stack = new AsyncDisposableStack()
    const { readers, loads } = await start(stack, { store, url })
    for (let round = 1; round <= 5; round++) {
      const began = performance.now()
      const reads = readers.map((each) => each.order('read', `stampede-${round}`, { times: 250 }))
      const load = await loads.next()
      await sleep(LOAD)
      load.land(`value ${round}`)
      expect(await Promise.all(reads)).toEqual(readers.map(() => [`value ${round}`]))
      const took = Math.round(performance.now() - began)
      console.log(`${store}: 1,000 reads were one load, in ${took} ms`)
      // Whatever would have been loaded besides was told before the answers.
      expect(loads.begun).toBe(round)
    }
  }, 60_000)

  test('a load whose process is killed is done once more, by one of those who wait', async () => {
    await using stack = new AsyncDisposableStack()
    const { readers, loads } = await start(stack, { store, url, lease: 1_500 })
    const reads = readers.map((each) => each.order('read', 'killed', { times: 250 }))
    for (const read of reads) read.catch(() => {})
    const { reader: dead } = await loads.next()
    await dead.child.kill('SIGKILL')
    const load = await loads.next()
    await sleep(LOAD)
    load.land('value')
    const survivors = reads.filter((_, at) => readers[at] !== dead)
    expect(await Promise.all(survivors)).toEqual(survivors.map(() => ['value']))
    expect(loads.begun).toBe(2)
  }, 60_000)

  test.each([
    ['deleted', true],
    ['deleted', false],
    ['set', true],
    ['set', false],
  ])(
    'a value that is %s during a load is never served afterwards (memory: %s)',
    async (how, memory) => {
      await using stack = new AsyncDisposableStack()
      const { readers, loads } = await start(stack, { store, url, memory })
      const key = `${how}-${memory}`
      const [changer] = readers as [Reader]
      const before = readers.map((each) => each.order('read', key, { times: 20 }))
      const load = await loads.next()
      await changer.order(how === 'set' ? 'set' : 'delete', key, { value: 'new' })
      // From here on the old value must not be answered to anybody who asks.
      const after = readers.map((each) => each.order('read', key, { times: 20 }))
      await sleep(LOAD)
      load.land('old')
      if (how === 'deleted') (await loads.next()).land('new')
      for (const values of await Promise.all(after)) expect(values).toEqual(['new'])
      // They came before the change: both are right.
      for (const values of await Promise.all(before)) {
        expect(['old', 'new']).toEqual(expect.arrayContaining(values as string[]))
      }
      for (const each of readers) expect(await each.order('read', key)).toEqual(['new'])
      expect(loads.begun).toBe(how === 'set' ? 1 : 2)
    },
    60_000,
  )

  test('a value that is set is known to every process as soon as a message has come', async () => {
    await using stack = new AsyncDisposableStack()
    const { readers } = await start(stack, { store, url })
    const [first] = readers as [Reader]
    await first.order('set', 'told', { value: 'v0' })
    for (const reader of readers) expect(await reader.order('read', 'told')).toEqual(['v0'])
    for (let version = 1; version <= 20; version++) {
      await (readers[version % PROCESSES] as Reader).order('set', 'told', { value: `v${version}` })
      for (const reader of readers) {
        let values: unknown
        do values = await reader.order('read', 'told')
        while (JSON.stringify(values) === JSON.stringify([`v${version - 1}`]))
        expect(values).toEqual([`v${version}`])
      }
    }
  }, 60_000)

  test('a process that has used it and closes its own client ends by itself', async () => {
    await using stack = new AsyncDisposableStack()
    const { readers, loads } = await start(stack, { store, url })
    const [reader] = readers as [Reader]
    const read = reader.order('read', 'ends')
    const load = await loads.next()
    load.land('value')
    await read
    reader.child.send({ type: 'order', what: 'end' })
    await reader.child.next('ended', WITHIN)
    expect(await reader.child.exit).toEqual({ code: 0, signal: null })
  }, 60_000)
})

test('on Redis a hit of the store is one command, and one of memory none', async () => {
  const provider = providers.Redis as CacheProvider
  const load = () => 'value'
  const near = new Cache({ provider, name: 'trips' })
  const far = new Cache({ provider, name: 'trips', memory: false })
  await near.get('a', load)
  await near.get('a', load)
  await far.get('a', load)
  await far.get('a', load)
  const ours = { where: ({ client }: { client: string }) => client.startsWith('holdfast') }
  const commands = async (cache: Cache) =>
    (await countCommands(inject('redisUrl'), () => cache.get('a', load), ours)).length
  expect(await commands(far)).toBe(1)
  expect(await commands(near)).toBe(0)
})
