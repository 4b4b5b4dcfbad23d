// Ten thousand random requests to each framework on each store: afterwards nothing is held, no record is stuck, and no
// work was done twice. A run that fails is had again with HTTP_FUZZ_SEED.

import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import type { Adapter } from '../../src/core/ports.ts'
import { MemoryAdapter } from '../../src/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { json, type Reply } from '../middleware/conformance/reply.ts'
import type { Call, Framework, ServiceSpec } from '../middleware/conformance/service.ts'
import { eventually } from '../support/eventually.ts'
import { deleteKeys } from '../support/redis-store.ts'
import { makeNoise, PATHS, type Sound, type Work } from './http-noise.ts'
import { type Random, seeded } from './random.ts'

const REQUESTS = Number(process.env.HTTP_FUZZ_REQUESTS ?? 10_000)
const CLIENTS = 40
/** How long a handler keeps what it holds that waits for a client which has gone. */
const TTL = 5_000
/** Handlers that are `late` take longer. */
const TIMEOUT = 60
const seed = Number(process.env.HTTP_FUZZ_SEED ?? randomInt(2 ** 31))

/** What the handlers have done, by what they were asked for. */
class Ledger {
  running = 0
  /** Runs that ended in an answer which is kept, by path, caller, key and body. */
  readonly done: Map<string, number> = new Map()
  readonly #busy = new Map<string, number>()
  overlaps = 0

  async run(method: string, call: Call): Promise<Reply> {
    const { key } = call.holdfast.idempotency ?? {}
    const record = `${method} ${call.path} ${call.header('authorization')} ${key}`
    const busy = (this.#busy.get(record) ?? 0) + 1
    this.#busy.set(record, busy)
    if (key !== undefined && busy > 1) this.overlaps++
    this.running++
    try {
      const { work } = (call.body ?? {}) as { work?: Work }
      const reply = await answer(work, () => this.#ended(record))
      if (key !== undefined && isKept(work)) {
        const asked = `${record} ${JSON.stringify(call.body)}`
        this.done.set(asked, (this.done.get(asked) ?? 0) + 1)
      }
      // A stream ends later.
      if (reply.as !== 'stream') this.#ended(record)
      return reply
    } catch (error) {
      this.#ended(record)
      throw error
    }
  }

  #ended(record: string): void {
    this.running--
    this.#busy.set(record, (this.#busy.get(record) ?? 1) - 1)
  }
}

/** Whether what the handler answers is final. */
function isKept(work: Work | undefined): boolean {
  return work === undefined || !['throw', 'fail', 'not now', 'break off'].includes(work)
}

async function answer(work: Work | undefined, ended: () => void): Promise<Reply> {
  if (work === 'slow') await sleep(5)
  if (work === 'late') await sleep(2 * TIMEOUT)
  switch (work) {
    case 'throw':
      throw new Error('out of order')
    case 'fail':
      return json('failed', 502)
    case 'not now':
      return json('not now', 429)
    case 'not found':
      return json('not found', 404)
    case 'empty':
      return { as: 'empty', status: 204 }
    case 'large':
      return json('x'.repeat(300_000))
    case 'pieces':
      return { as: 'pieces', pieces: ['a', 'b'] }
    case 'break off':
      return { as: 'broken-off' }
    case 'stream':
      return { as: 'stream', chunks: () => chunks(ended) }
    default:
      return json({ work })
  }
}

async function* chunks(ended: () => void) {
  try {
    for (let at = 0; at < 3; at++) {
      yield 'chunk '
      await sleep(1)
    }
  } finally {
    ended()
  }
}

function spec(provider: Adapter, ledger: Ledger): ServiceSpec {
  const handler = (call: Call) => ledger.run('POST', call)
  const held = {
    lock: { key: 'b', timeout: 50, ttl: TTL },
    semaphore: { limit: 3, timeout: 50, key: 'b', ttl: TTL },
  }
  return {
    use: [['requestScope', { provider, timeout: 5_000 }]],
    routes: {
      'POST /pay': { guards: [['idempotency', { wait: 20 }]], handler },
      'PATCH /pay': {
        guards: [['idempotency', { commit: 'after' }]],
        handler: (call) => ledger.run('PATCH', call),
      },
      'POST /protected': {
        guards: [['protect', { idempotency: {}, timeout: TIMEOUT, ...held }]],
        handler,
      },
      'POST /locked': {
        guards: [
          ['idempotency', { maxRequestBytes: 100_000 }],
          ['lock', { key: 'a', timeout: 50, ttl: TTL }],
        ],
        handler,
      },
      'GET /locked': { guards: [['lock', { key: 'a', ttl: TTL }]], handler: () => json('read') },
    },
  }
}

const stores: Readonly<Record<string, () => { store: Adapter; close: () => Promise<unknown> }>> = {
  memory: () => ({ store: new MemoryAdapter(), close: async () => {} }),
  redis: () => {
    const redis = new Redis(inject('redisUrl'))
    const keyPrefix = `http-fuzz-${process.pid}-${randomInt(2 ** 31)}:`
    const store = new RedisAdapter(redis, { keyPrefix })
    return {
      store,
      close: async () => {
        await deleteKeys(redis, keyPrefix)
        await store.disconnect()
        await redis.quit()
      },
    }
  },
}

const frameworks: Readonly<Record<string, Framework>> = {
  'express 5': expressFramework(express),
  hono: honoFramework,
}

const trials = Object.keys(frameworks).flatMap((framework) =>
  Object.keys(stores).map((store) => [framework, store] as const),
)

test.each(trials)(
  `%s on %s survives ${REQUESTS} random requests`,
  async (framework, kind) => {
    console.log(`HTTP_FUZZ_SEED=${seed} (${framework} on ${kind})`)
    const opened = stores[kind]?.()
    if (!opened) throw new Error(`There is no store ${kind}`)
    const { store, close } = opened
    const ledger = new Ledger()
    const service = await frameworks[framework]?.serve(spec(store, ledger))
    if (!service) throw new Error(`There is no framework ${framework}`)

    const random = seeded(seed)
    const sound = new Map<string, Sound>()
    let requests = 0
    const client = async (own: Random): Promise<void> => {
      while (requests < REQUESTS) {
        const noise = await makeNoise(service.port, own)
        requests += noise.requests
        for (const request of noise.sound) sound.set(JSON.stringify(request), request)
        expect(noise.answered, noise.text.slice(0, 2_000)).toBeGreaterThanOrEqual(noise.due)
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, () => client(seeded(random.below(2 ** 31)))))

    await eventually(() => ledger.running === 0, {
      what: 'the end of every handler',
      within: 20_000,
    })
    const held = async () => {
      const resources = ['lock:a', 'lock:b', 'semaphore:b'].map((name) =>
        store.grants.inspect(name),
      )
      return (await Promise.all(resources)).flatMap(({ holders, waiters }) => [
        ...holders,
        ...waiters,
      ])
    }
    await eventually(async () => (await held()).length === 0, {
      what: 'nothing to be held',
      within: 20_000,
    })

    // Whatever was asked is either known or can be done now: nothing is stuck in the middle.
    const stuck: string[] = []
    for (const { path, key, authorization, body } of sound.values()) {
      const { status, text } = await service.client
        .post(path, {
          key,
          body,
          headers: authorization ? { authorization } : {},
        })
        .catch(() => ({ status: 0, text: 'broken off' }))
      if (/in-progress|outcome-unknown/.test(text)) stuck.push(`${path} ${key} ${body} ${status}`)
    }
    expect(stuck).toEqual([])
    expect(sound.size).toBeGreaterThan(100)
    expect([...new Set([...sound.values()].map(({ path }) => path))].toSorted()).toEqual(
      [...PATHS].toSorted(),
    )

    const twice = [...ledger.done].filter(([, runs]) => runs > 1)
    expect(twice).toEqual([])
    expect(ledger.done.size).toBeGreaterThan(50)
    expect(ledger.overlaps).toBe(0)
    await service[Symbol.asyncDispose]()
    await close()
  },
  180_000,
)
