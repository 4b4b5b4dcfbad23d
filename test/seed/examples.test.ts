// Every example of the documentation, as a process or several, on Redis and on PostgreSQL.

import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { Client, Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { type Adapter, Lock, Semaphore } from '../../src/index.ts'
import { type Deferred, deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { type ExampleStore, ending, PATIENCE, printed, stage } from './support/stage.ts'

const own = `examples_${randomUUID().replaceAll('-', '')}`
const admin = new Client({ connectionString: inject('databaseUrl') })
const databaseUrl = new URL(own, inject('databaseUrl')).href
const pool = new Pool({ connectionString: databaseUrl })
const redis = new Redis(inject('redisUrl'), { keyPrefix: `${own}:` })

beforeAll(async () => {
  await admin.connect()
  await admin.query(`create database ${own}`)
})

afterAll(async () => {
  await redis.quit()
  await pool.end()
  await admin.query(`drop database ${own} with (force)`)
  await admin.end()
})

interface Variant extends ExampleStore {
  readonly name: string
  /** The store that the examples use, to look at what they do there. */
  open(options?: { readonly keyPrefix: string }): Adapter
}

const variants: readonly Variant[] = [
  {
    name: 'Redis',
    tsconfig: 'tsconfig.json',
    env: { REDIS_URL: inject('redisUrl'), KEY_PREFIX: `${own}:` },
    open: (options) => new RedisAdapter(redis, options),
  },
  {
    name: 'PostgreSQL',
    tsconfig: 'tsconfig.postgres.json',
    env: { REDIS_URL: '', DATABASE_URL: databaseUrl },
    open: (options) => new PostgresAdapter(pool, options),
  },
]

const inOrder = { code: 0, signal: null, stderr: '' }

// Beside each other: most of their time is waiting, and no two use the same names.
describe.each(variants)('on $name', { concurrent: true, timeout: 180_000 }, (variant) => {
  test('distributed-lock: one process at a time is in the critical section', async () => {
    const first = deferred()
    await using scene = await stage('distributed-lock', variant, {
      performCriticalOperation: () => (scene.asked.length === 1 ? first.promise : undefined),
    })
    const line = 'Lock acquired, performing operation...'
    const holder = scene.start()
    await printed(holder, line)
    const waiter = scene.start()
    const provider = variant.open({ keyPrefix: 'myapp:' })
    const lock = new Lock(undefined, { provider, key: 'resource:user:123' })
    await eventually(async () => (await lock.inspect()).waiters.length === 1, { within: PATIENCE })
    expect(scene.asked).toEqual(['performCriticalOperation'])
    first.resolve()
    expect(await ending(holder)).toEqual({ ...inOrder, stdout: [line] })
    expect(await ending(waiter)).toEqual({ ...inOrder, stdout: [line] })
  })

  test('payment: a card is charged once, whether the rival comes meanwhile or later', async () => {
    const charging = deferred()
    let status = 'pending'
    await using scene = await stage('payment', variant, {
      'db.query': (sql: string, [value]: readonly string[]) => {
        if (sql.startsWith('UPDATE')) status = value ?? ''
        return { status, amount: 4_200, cardToken: 'tok' }
      },
      chargeCard: () => charging.promise,
    })
    const payer = scene.start()
    await eventually(() => scene.asked.includes('chargeCard'), { within: PATIENCE })
    const rival = await ending(scene.start())
    expect(rival).toMatchObject({ code: 1, stdout: [] })
    expect(rival.stderr).toMatch(/^Failed to acquire lock: .*payment:42/)
    expect(rival.stderr).toContain('Error: Payment is being processed by another instance')
    charging.resolve()
    expect(await ending(payer)).toEqual({ ...inOrder, stdout: [] })
    const late = await ending(scene.start())
    expect(late).toEqual({ ...inOrder, stdout: ['Payment already processed'] })
    expect(scene.asked.filter((what) => what === 'chargeCard')).toEqual(['chargeCard'])
  })

  test('read-write-lock: a write waits for the readers of its own block, and says so when it gives up', async () => {
    await using scene = await stage('read-write-lock', variant, {
      loadConfig: () => ({ theme: 'light' }),
    })
    const { code, stdout, stderr } = await ending(scene.start())
    expect({ code, stdout }).toEqual({ code: 1, stdout: ["Config: { theme: 'light' }"] })
    expect(stderr).toMatch(
      /^AcquireTimeoutError: .*'config:app-settings' within 5000 ms: this Lock itself holds 3 read guards/m,
    )
    expect(scene.asked).toEqual(['loadConfig'])
  })

  test('circuit-breaker: what opens in one instance is open in the next', async () => {
    const api = 'https://external-api.com/data'
    let healthy = true
    await using scene = await stage('circuit-breaker', variant, {
      [api]: () => {
        if (!healthy) throw new Error('down')
        // Only the example's own call is answered: those after it fail, until the breaker opens.
        healthy = false
        return 'fine'
      },
    })
    expect(await ending(scene.start())).toEqual({ ...inOrder, stdout: [] })
    const asked = scene.asked.length
    expect(asked).toBeGreaterThanOrEqual(1 + 5)
    expect(await ending(scene.start())).toMatchObject({
      ...inOrder,
      stderr: 'Circuit breaker is open or request failed\n',
    })
    expect(scene.asked).toHaveLength(asked)
  })

  test('cache-warming: the user is fetched once for all instances', async () => {
    await using scene = await stage('cache-warming', variant, {
      'db.query': () => [{ id: 123, name: 'Ada' }],
    })
    const user = "User: { id: 123, name: 'Ada' }"
    const first = await ending(scene.start())
    expect(first).toEqual({ ...inOrder, stdout: ['User cache refreshed: 123', user] })
    expect((await ending(scene.start())).stdout).toContain(user)
    expect(scene.asked).toEqual(['db.query'])
  })

  test('persistence: the adapter connects', async () => {
    await using scene = await stage('persistence', variant, {})
    expect(await ending(scene.start())).toEqual({ ...inOrder, stdout: ['Connected: true'] })
  })

  test('idempotency: a request pays once, and a retry hears what it came to, or that it still runs', async () => {
    const charging = deferred()
    await using scene = await stage('idempotency', variant, { chargeCard: () => charging.promise })
    const first = scene.start()
    await eventually(() => scene.asked.length === 1, { within: PATIENCE })
    const meanwhile = await ending(scene.start())
    expect(meanwhile).toMatchObject({ code: 0, stdout: [] })
    expect(meanwhile.stderr).toMatch(/^Payment failed: InProgressError: 'payment:r-1'/)
    charging.resolve()
    const paid = { ...inOrder, stdout: ['Payment result: { charged: true, amount: 4200 }'] }
    expect(await ending(first)).toEqual(paid)
    expect(await ending(scene.start())).toEqual(paid)
    expect(scene.asked).toEqual(['chargeCard'])
  })

  test('checkpoint: a worker that is killed is resumed where it was last saved', async () => {
    let stuck = true
    const processed: number[] = []
    await using scene = await stage('checkpoint', variant, {
      loadDataset: () => Array.from({ length: 220 }, (_, item) => item),
      processItem: (item: number) => {
        if (stuck && item === 150) return new Promise(() => {})
        processed.push(item)
        return undefined
      },
    })
    const killed = scene.start()
    await eventually(() => processed.at(-1) === 149, { within: PATIENCE })
    await killed.kill('SIGKILL')
    expect(await ending(killed)).toMatchObject({
      signal: 'SIGKILL',
      stdout: [
        'Resuming from index 0',
        'Checkpoint saved at index 0',
        'Checkpoint saved at index 100',
      ],
    })
    stuck = false
    processed.length = 0
    expect(await ending(scene.start())).toEqual({
      ...inOrder,
      stdout: [
        'Resuming from index 100',
        'Checkpoint saved at index 100',
        'Checkpoint saved at index 200',
        'Processing complete',
      ],
    })
    expect(processed).toEqual(Array.from({ length: 120 }, (_, index) => 100 + index))
  })

  test('leader-election: of two instances one leads at a time, and the other takes over when it is killed', async () => {
    const terms: Deferred<void>[] = []
    await using scene = await stage('leader-election', variant, {
      performLeaderTasks: () => {
        const term = deferred()
        terms.push(term)
        return term.promise
      },
    })
    const instances = ['a', 'b'].map((id) => ({ id, child: scene.start({ INSTANCE_ID: id }) }))
    const led = (count: number): Promise<unknown> =>
      eventually(() => terms.length === count, { what: `${count} terms`, within: PATIENCE })
    const role = ({ id, child }: (typeof instances)[number], text: string): boolean =>
      child.stdout.includes(`${id} ${text}`)

    await led(1)
    const leader = await eventually(() => instances.find((one) => role(one, 'became leader')))
    const follower = instances.find((one) => one !== leader) as typeof leader
    await printed(follower.child, `${follower.id} is follower`)
    expect(terms).toHaveLength(1)
    expect(role(follower, 'became leader')).toBe(false)

    await leader.child.kill('SIGKILL')
    await led(2)
    expect(role(follower, 'became leader')).toBe(true)
    // A tick of the interval that finds its own instance leading makes it no second leader.
    const before = follower.child.stdout.split(`${follower.id} is follower`).length
    await eventually(
      () => follower.child.stdout.split(`${follower.id} is follower`).length > before,
      { within: PATIENCE },
    )
    expect(terms).toHaveLength(2)
    terms[1]?.resolve()
    await led(3)
    expect(instances.map(({ child }) => child.stderr)).toEqual(['', ''])
  })

  test('rate-limiting: all instances together call the API a hundred times at once at most', async () => {
    const full = deferred()
    let inFlight = 0
    let most = 0
    await using scene = await stage('rate-limiting', variant, {
      'https://api.example.com/data': () => 'fine',
      'https://api.example.com/more': async () => {
        most = Math.max(most, ++inFlight)
        await full.promise
        inFlight--
      },
    })
    const instances = [scene.start(), scene.start()]
    const semaphore = new Semaphore(100, { provider: variant.open(), key: 'ratelimit:api' })
    await eventually(
      async () => inFlight === 100 && (await semaphore.inspect()).waiters.length === 60,
      { what: 'a hundred calls and sixty that wait', within: PATIENCE },
    )
    full.resolve()
    for (const instance of instances) {
      expect(await ending(instance)).toEqual({ ...inOrder, stdout: [] })
    }
    expect(most).toBe(100)
  })
})
