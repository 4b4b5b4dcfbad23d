// Idempotent transactions and fences over PostgreSQL: what commits together, and what no stopped process can break.

import { Pool, type PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { PostgresAdapter, PostgresIdempotencyAdapter } from '../../src/adapters/postgres/index.ts'
import {
  Idempotency,
  isInProgressError,
  isInvalidArgumentError,
  isLeaseLostError,
  isOutcomeUnknownError,
  isStoreUnavailableError,
  Lock,
  MemoryAdapter,
} from '../../src/index.ts'
import { startChild } from '../support/child.ts'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { register } from '../support/telemetry.ts'

const url = inject('databaseUrl')
const schema = `transactions_${process.pid}`
const table = `${schema}.payments`
const pool = new Pool({ connectionString: url, max: 20 })
const provider = new PostgresAdapter(pool, { schema })
const payments = new Idempotency<unknown>({ provider })

beforeAll(async () => {
  await provider.connect()
  await pool.query(`create table ${table} (id text, unique (id) deferrable initially deferred)`)
})
afterAll(async () => {
  await provider.disconnect()
  await pool.query(`drop schema ${schema} cascade`)
  await pool.end()
})

/** What a promise came to: its value, or its error. */
function settled(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error)
}

async function paid(id: string): Promise<number> {
  const { rowCount } = await pool.query(`select from ${table} where id = $1`, [id])
  return rowCount ?? 0
}

/** Runs with a client of the pool. */
async function withClient<T>(work: (client: PoolClient) => Promise<T>, from = pool): Promise<T> {
  const client = await from.connect()
  // What a broken connection tells beside the statement that fails.
  if (client.listenerCount('error') === 0) client.on('error', () => {})
  let broken = false
  try {
    return await work(client)
  } catch (error) {
    broken = isStoreUnavailableError(error)
    throw error
  } finally {
    client.release(broken)
  }
}

/** A pool behind a network that can fail. */
async function farAway() {
  const { port, hostname } = new URL(url)
  const proxy = await startTcpProxy({ port: Number(port), host: hostname })
  const far = new Pool({ connectionString: proxy.through(url) })
  far.on('error', () => {})
  return {
    proxy,
    pool: far,
    [Symbol.asyncDispose]: async () => {
      await far.end()
      await proxy[Symbol.asyncDispose]()
    },
  }
}

/** A payment in a transaction of its own. */
function pay(
  key: string,
  before?: (tx: PoolClient) => Promise<unknown>,
  from: Idempotency<unknown> = payments,
) {
  return withClient((client) =>
    from.transaction(client, key, async (tx) => {
      await tx.query(`insert into ${table} values ($1)`, [key])
      await before?.(tx)
      return { id: key }
    }),
  )
}

describe('an idempotent transaction', () => {
  test('commits its effect and its outcome together, and is replayed afterwards', async () => {
    expect(await pay('plain')).toEqual({
      value: { id: 'plain' },
      replayed: false,
      recovered: false,
    })
    expect(await pay('plain')).toMatchObject({ value: { id: 'plain' }, replayed: true })
    expect(await payments.run('plain', () => 'again')).toMatchObject({ value: { id: 'plain' } })
    expect(await paid('plain')).toBe(1)
  })

  test('needs no more of an adapter than its records', async () => {
    const own = new Idempotency<unknown>({
      provider: new PostgresIdempotencyAdapter(pool, { schema }),
    })
    expect(await pay('records alone', undefined, own)).toMatchObject({ replayed: false })
    expect(await pay('records alone')).toMatchObject({ replayed: true })
  })

  test('that throws leaves no effect and no outcome, and its error is the answer', async () => {
    const down = new Error('down')
    await expect(pay('failing', () => Promise.reject(down))).rejects.toBe(down)
    expect(await paid('failing')).toBe(0)
    expect(await pay('failing')).toMatchObject({ replayed: false, recovered: false })
    expect(await paid('failing')).toBe(1)
  })

  test('of two callers at once is made by one, and the other is told that it runs', async () => {
    const gate = deferred()
    const inside = deferred()
    const first = pay('twice', () => {
      inside.resolve()
      return gate.promise
    })
    await inside.promise
    expect(isInProgressError(await settled(pay('twice')))).toBe(true)
    gate.resolve()
    expect(await first).toMatchObject({ replayed: false })
    expect(await pay('twice')).toMatchObject({ replayed: true })
    expect(await paid('twice')).toBe(1)
  })

  test('of a process that was killed before it committed is made by the next caller', async () => {
    await pool.query(`delete from ${table}`)
    const lease = 1_000
    await using child = startChild(new URL('./transaction-child.ts', import.meta.url), {
      argument: { url, schema, table, lease },
    })
    await child.next('paid', 20_000)
    await child.kill('SIGKILL')
    // Nobody knows yet that it died; afterwards nobody has to say what became of it.
    const own = new Idempotency<unknown>({ provider, lease })
    const next = await eventually(() => pay('order-1', undefined, own), { within: 10_000 })
    expect(next).toMatchObject({ replayed: false, recovered: false })
    expect(await paid('by the child')).toBe(0)
    expect(await paid('order-1')).toBe(1)
  })

  test('of a process that was stopped for longer than its lease is rolled back', async () => {
    await pool.query(`delete from ${table}`)
    const lease = 1_000
    const own = new Idempotency<unknown>({ provider, lease })
    await provider.records.remove('idempotency:order-1')
    await using child = startChild(new URL('./transaction-child.ts', import.meta.url), {
      argument: { url, schema, table, lease },
    })
    await child.next('paid', 20_000)
    child.pause()
    await eventually(() => pay('order-1', undefined, own), { within: 10_000 })
    child.resume()
    child.send({ type: 'go' })
    expect(await child.next('done')).toMatchObject({ error: 'LeaseLostError' })
    expect(await paid('by the child')).toBe(0)
    expect(await paid('order-1')).toBe(1)
    expect(await pay('order-1', undefined, own)).toMatchObject({ replayed: true })
  })

  test('whose claim a call without one has taken over is settled as that call ends', async () => {
    const short = new Idempotency<unknown>({ provider, lease: 600 })
    const gate = deferred()
    const inside = deferred()
    const late = withClient((client) =>
      short.transaction(client, 'mixed', async (tx, { stopRenewal }) => {
        stopRenewal()
        await tx.query(`insert into ${table} values ('mixed')`)
        inside.resolve()
        await gate.promise
      }),
    )
    await inside.promise
    const run = await eventually(() => short.run('mixed', () => 'run'), { within: 10_000 })
    expect(run).toEqual({ value: 'run', replayed: false, recovered: false })
    gate.resolve()
    expect(isLeaseLostError(await settled(late))).toBe(true)
    expect(await paid('mixed')).toBe(0)
  })

  test('that took over a call without one, and is lost too, leaves the outcome as unknown as it was', async () => {
    const lost = { id: 'dead', lease: 1, ttl: 60_000, fingerprint: undefined, meta: {} }
    await provider.records.begin({ record: 'idempotency:half', takeover: 'never', ...lost })
    const cautious = new Idempotency<unknown>({ provider, lease: 600 })
    const unknown = () =>
      eventually(async () => isOutcomeUnknownError(await settled(cautious.run('half', () => 1))), {
        what: 'the outcome to be unknown',
        within: 10_000,
      })
    await unknown()
    const bold = new Idempotency<unknown>({ provider, lease: 600, takeover: true })
    const gate = deferred()
    const inside = deferred<boolean>()
    const late = withClient((client) =>
      bold.transaction(client, 'half', async (_tx, { recovered, stopRenewal }) => {
        stopRenewal()
        inside.resolve(recovered)
        await gate.promise
      }),
    )
    expect(await inside.promise).toBe(true)
    await unknown()
    gate.resolve()
    await settled(late)
  })

  test('works where every transaction is serializable', async () => {
    const serializable = new Pool({
      connectionString: url,
      options: '-c default_transaction_isolation=serializable',
    })
    const own = new Idempotency<unknown>({
      provider: new PostgresAdapter(serializable, { schema }),
    })
    const once = (key: string) =>
      withClient(
        (client) =>
          own.transaction(client, key, async (tx) => {
            const { rows } = await tx.query('show transaction_isolation')
            await tx.query(`insert into ${table} values ($1)`, [key])
            return rows[0].transaction_isolation
          }),
        serializable,
      )
    const keys = Array.from({ length: 8 }, (_, i) => `serializable-${i}`)
    for (const key of keys) {
      const answers = await Promise.all([1, 2, 3].map(() => settled(once(key))))
      const values = answers.filter((answer) => !isInProgressError(answer))
      expect(values.length).toBeGreaterThan(0)
      for (const each of values) expect(each).toMatchObject({ value: 'serializable' })
      expect(await paid(key)).toBe(1)
    }
    await serializable.end()
  })

  test('that the database refuses to commit is rolled back, and may be made again', async () => {
    await pool.query(`insert into ${table} values ('taken')`)
    const refused = await settled(pay('taken'))
    expect(refused).toMatchObject({ outcome: 'none', cause: { code: '23505' } })
    await pool.query(`delete from ${table} where id = 'taken'`)
    expect(await pay('taken')).toMatchObject({ replayed: false })
  })

  test('whose failed statement the work has swallowed is not taken for committed', async () => {
    const swallow = withClient((client) =>
      payments.transaction(client, 'swallowed', async (tx) => {
        await tx.query('select 1 / 0').catch(() => {})
      }),
    )
    expect(await settled(swallow)).toMatchObject({ outcome: 'none' })
    expect(await pay('swallowed')).toMatchObject({ replayed: false })
  })

  test.each(['commit', 'rollback', 'commit; begin', 'commit and chain'])(
    'that the work ends by a `%s` is not taken for done once, and not made again',
    async (end) => {
      const effects = end === 'rollback' ? 0 : 1
      for (const how of ['resolves', 'throws']) {
        const key = `${end}, ${how}`
        const down = new Error('down')
        const ended = await settled(
          pay(key, async (tx) => {
            await tx.query(end)
            if (how === 'throws') throw down
          }),
        )
        expect(isInvalidArgumentError(ended), String(ended)).toBe(true)
        if (how === 'throws') expect(ended).toMatchObject({ cause: down })
        expect(isOutcomeUnknownError(await settled(pay(key)))).toBe(true)
        expect(await paid(key)).toBe(effects)
        await payments.resolve(key, { value: 'settled' })
        expect(await pay(key)).toMatchObject({ value: 'settled', replayed: true })
      }
    },
  )

  test('may be given another isolation by its work, and have savepoints', async () => {
    const levelOf = (key: string) =>
      withClient((client) =>
        payments.transaction(client, key, async (tx) => {
          await tx.query('set transaction isolation level serializable')
          await tx.query('savepoint a; rollback to savepoint a; release savepoint a')
          const { rows } = await tx.query('show transaction_isolation')
          return rows[0].transaction_isolation
        }),
      )
    expect(await levelOf('isolated')).toMatchObject({ value: 'serializable', replayed: false })
    expect(await levelOf('isolated')).toMatchObject({ value: 'serializable', replayed: true })
  })

  test('that begins too late is not left open, and leaves no claim', async () => {
    await withClient(async (client) => {
      const begun = deferred()
      const query = async (...asked: [{ text?: string }]) => {
        const { text } = asked[0]
        const answer = client.query(...(asked as unknown as [string]))
        if (text?.startsWith('begin')) await begun.promise
        return answer
      }
      const impatient = new Idempotency<unknown>({ provider, lease: 300 })
      const late = await settled(impatient.transaction({ query }, 'late', () => 1))
      expect(late).toMatchObject({ outcome: 'none' })
      expect(await pay('late')).toMatchObject({ replayed: false })
      begun.resolve()
      await eventually(
        async () => {
          const { rows } = await client.query(
            'select transaction_timestamp() = statement_timestamp() as outside',
          )
          return rows[0].outside
        },
        { what: 'the transaction to be rolled back' },
      )
    })
  })

  test('whose commit does not arrive was not made, which the next caller learns', async () => {
    await using far = await farAway()
    const lost = await settled(
      withClient((client) => {
        const query = async (...asked: [{ text?: string }]) => {
          if (asked[0].text === 'commit') await far.proxy.hold({ onResume: 'drop' })
          return client.query(...(asked as unknown as [string]))
        }
        return payments.transaction({ query }, 'commit lost', () =>
          client.query(`insert into ${table} values ('commit lost')`),
        )
      }, far.pool),
    )
    expect(lost).toMatchObject({ outcome: 'unknown' })
    await far.proxy.cut()
    const next = await eventually(() => pay('commit lost'), { within: 20_000 })
    expect(next).toMatchObject({ replayed: false })
    expect(await paid('commit lost')).toBe(1)
  }, 60_000)

  test('whose commit is not answered was made, which the next caller learns', async () => {
    await pool.query(`
      create function ${schema}.slowly() returns trigger language plpgsql as
        'begin perform pg_sleep(1); return null; end';
      create constraint trigger slowly after insert on ${table} deferrable initially deferred
        for each row when (new.id = 'answer lost') execute function ${schema}.slowly()`)
    await using far = await farAway()
    const lost = settled(
      withClient(
        (client) =>
          payments.transaction(client, 'answer lost', async (tx) => {
            await tx.query(`insert into ${table} values ('answer lost')`)
            return 'first'
          }),
        far.pool,
      ),
    )
    await eventually(
      async () => {
        const { rowCount } = await pool.query(`select from pg_stat_activity
          where state = 'active' and query = 'commit' and wait_event = 'PgSleep'`)
        return rowCount === 1
      },
      { what: 'the commit to be under way' },
    )
    await far.proxy.cut()
    expect(await lost).toMatchObject({ outcome: 'unknown' })
    const next = await eventually(() => pay('answer lost'), { within: 20_000 })
    expect(next).toMatchObject({ value: 'first', replayed: true })
    expect(await paid('answer lost')).toBe(1)
  }, 60_000)

  test('is not begun within another one, on a pool, or over a store that has none', async () => {
    await withClient(async (client) => {
      await client.query('begin')
      await client.query(`insert into ${table} values ('outer')`)
      const nested = await settled(payments.transaction(client, 'nested', () => 1))
      expect(isInvalidArgumentError(nested)).toBe(true)
      await client.query('commit')
    })
    expect(await paid('outer')).toBe(1)
    expect(await pay('nested')).toMatchObject({ replayed: false })
    const onPool = await settled(payments.transaction(pool, 'on a pool', () => 1))
    expect(isInvalidArgumentError(onPool)).toBe(true)
    const inMemory = new Idempotency({ provider: new MemoryAdapter() })
    await withClient(async (client) => {
      const refused = await settled(inMemory.transaction(client, 'in memory', () => 1))
      expect(isInvalidArgumentError(refused)).toBe(true)
    })
  })
})

describe('a fence', () => {
  const lock = (key: string) => new Lock(undefined, { provider, key })

  /** Two who believe to hold a lock, the later one with the greater token: the database has lost what it knew. */
  async function twoHolders(key: string) {
    const earlier = await lock(key).acquire()
    await pool.query(`delete from ${schema}.resources where key like $1`, [`%${key}%`])
    const later = await lock(key).acquire()
    expect(later.fencingToken).toBeGreaterThan(earlier.fencingToken)
    return { earlier, later }
  }

  /** A transaction under a guard; `before` runs between the fence and the commit. */
  function change(guard: Awaited<ReturnType<Lock['acquire']>>, before?: () => Promise<unknown>) {
    return withClient(async (client) => {
      await client.query('begin')
      try {
        await guard.fence(client)
        await before?.()
        await client.query('commit')
      } catch (error) {
        await client.query('rollback')
        throw error
      }
    })
  }

  test('lets the holder in, as often as it likes', async () => {
    const guard = await lock('alone').acquire()
    for (let i = 0; i < 3; i++) await change(guard)
    await guard.release()
    await change(await lock('alone').acquire())
  })

  test('refuses a holder that does not know of a later one', async () => {
    const { earlier, later } = await twoHolders('refused')
    await change(earlier)
    await change(later)
    expect(isLeaseLostError(await settled(change(earlier)))).toBe(true)
    await change(later)
  })

  test('lets nobody in while another holder’s transaction is open, whoever was first', async () => {
    const { earlier, later } = await twoHolders('open')
    const order: string[] = []
    const gate = deferred()
    const inside = deferred()
    const first = change(earlier, () => {
      inside.resolve()
      return gate.promise
    }).then(() => order.push('earlier'))
    await inside.promise
    const second = change(later).then(() => order.push('later'))
    await eventually(
      async () => {
        const { rowCount } = await pool.query(`select from pg_stat_activity
          where wait_event_type = 'Lock' and query like '%fence_raise%'`)
        return rowCount === 1
      },
      { what: 'the later holder to wait' },
    )
    gate.resolve()
    await Promise.all([first, second])
    expect(order).toEqual(['earlier', 'later'])
  })

  test('is a span of the trace, with its token and what became of it', async () => {
    await using telemetry = register()
    const { earlier, later } = await twoHolders('traced')
    await change(later)
    await settled(change(earlier))
    const spans = telemetry.spans().filter(({ name }) => name === 'lock.fence lock')
    expect(spans.map(({ attributes }) => attributes)).toMatchObject([
      {
        'holdfast.lock.fencing_token': String(later.fencingToken),
        'holdfast.outcome': 'raised',
      },
      {
        'holdfast.lock.fencing_token': String(earlier.fencingToken),
        'holdfast.outcome': expect.not.stringMatching('raised'),
        'error.type': expect.any(String),
      },
    ])
  })

  test('that is rolled back was never raised', async () => {
    const { earlier, later } = await twoHolders('rolled-back')
    const failed = change(later, () => Promise.reject(new Error('down')))
    await expect(failed).rejects.toThrow('down')
    await change(earlier)
  })

  test('lets all readers of one phase in', async () => {
    const shared = new Lock(undefined, { provider, key: 'shared', allowMultipleReaders: true })
    const readers = [await shared.read(), await shared.read()]
    for (const reader of readers) await change(reader)
  })

  test('needs a transaction, and a store that has them', async () => {
    const guard = await lock('outside').acquire()
    await withClient(async (client) => {
      expect(isInvalidArgumentError(await settled(guard.fence(client)))).toBe(true)
    })
    expect(isInvalidArgumentError(await settled(guard.fence(pool)))).toBe(true)
    const inMemory = new Lock(undefined, { provider: new MemoryAdapter(), key: 'in memory' })
    const other = await inMemory.acquire()
    await withClient(async (client) => {
      expect(isInvalidArgumentError(await settled(other.fence(client)))).toBe(true)
    })
    await guard.release()
    await withClient(async (client) => {
      await client.query('begin')
      expect(isLeaseLostError(await settled(guard.fence(client)))).toBe(true)
      await client.query('rollback')
    })
  })
})
