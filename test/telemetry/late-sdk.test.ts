// An SDK that was never registered, or registered long after the import: nothing to set up, nothing lost afterwards.

import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import express from 'express'
import { afterEach, describe, expect, test } from 'vitest'
import { Idempotency, Lock, MemoryAdapter, Semaphore, scope } from '../../src/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { json } from '../middleware/conformance/reply.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

let telemetry: TestTelemetry | undefined
afterEach(async () => {
  await telemetry?.unregister()
  telemetry = undefined
})

/** One of everything, and what came of it. */
async function useEverything(name: string): Promise<unknown[]> {
  const provider = new MemoryAdapter()
  await using s = scope({ provider })
  const lock = new Lock(s.signal, { key: 'a', name })
  const semaphore = new Semaphore(2, { provider, key: 'a', name })
  const idempotency = new Idempotency({ provider, name })
  const [error, task] = await s.task(() => 'task')
  return [
    await lock.run(() => 'locked'),
    await semaphore.run(() => 'permitted'),
    (await idempotency.run('k', () => 'ran')).value,
    (await idempotency.run('k', () => 'ran again')).value,
    error,
    task,
  ]
}

const WORKED = ['locked', 'permitted', 'ran', 'ran', undefined, 'task']

test('without an SDK everything works, the context stays as it is, and nothing is recorded', async () => {
  const seen: unknown[] = []
  const lock = new Lock(undefined, { provider: new MemoryAdapter(), key: 'a' })
  await lock.run(() => seen.push(context.active() === ROOT_CONTEXT, trace.getActiveSpan()))
  expect(seen).toEqual([true, undefined])
  expect(await useEverything('silent')).toEqual(WORKED)

  telemetry = register()
  expect(telemetry.spans()).toEqual([])
  for (const { kind, points } of (await telemetry.metrics()).values()) {
    // What is counted at all times, so that a late SDK sees the truth: nothing is held now.
    const truth = points.filter(({ attributes }) => !('holdfast.semaphore.name' in attributes))
    expect([kind, ...truth.map(({ value }) => value)]).toEqual([
      'up_down_counter',
      ...truth.map(() => 0),
    ])
  }
})

test('an SDK that is registered after the import records spans and metrics', async () => {
  telemetry = register()
  expect(await useEverything('late')).toEqual(WORKED)
  expect(telemetry.spans().map(({ name }) => name)).toEqual([
    'lock.acquire late',
    'lock.run late',
    'semaphore.acquire late',
    'idempotency.execute late',
    'idempotency.execute late',
  ])
  const metrics = await telemetry.metrics()
  expect(
    metrics.get('holdfast.lock.acquire.duration')?.value({ 'holdfast.lock.name': 'late' }),
  ).toBe(1)
  expect(
    metrics
      .get('holdfast.idempotency.execution.duration')
      ?.value({ 'holdfast.idempotency.name': 'late', 'holdfast.outcome': 'replayed' }),
  ).toBe(1)
})

test('another SDK, registered later, records from then on', async () => {
  for (const name of ['first', 'second']) {
    telemetry = register()
    await useEverything(name)
    const names = telemetry.spans().map((span) => span.name)
    expect(names).toContain(`lock.run ${name}`)
    const held = (await telemetry.metrics()).get('holdfast.lock.hold.duration')
    expect(held?.value()).toBe(1)
    await telemetry.unregister()
  }
})

test('what was held before the SDK was registered is counted from the next operation on', async () => {
  const provider = new MemoryAdapter()
  const lock = new Lock(undefined, { provider, key: 'a', name: 'held' })
  const guard = await lock.acquire()
  telemetry = register()
  await lock.tryAcquire()
  const active = async () =>
    (await telemetry?.metrics())
      ?.get('holdfast.lock.hold.active')
      ?.value({ 'holdfast.lock.name': 'held' })
  expect(await active()).toBe(1)
  await guard.release()
  expect(await active()).toBe(0)
})

describe.each([expressFramework(express), honoFramework])('in $name', (framework) => {
  const serve = () =>
    framework.serve({
      use: [['requestScope', { provider: new MemoryAdapter() }]],
      routes: {
        'POST /': {
          guards: [
            [
              'protect',
              { idempotency: {}, timeout: 5_000, lock: { key: 'a' }, semaphore: { limit: 1 } },
            ],
          ],
          handler: () => json('done', 201),
        },
      },
    })

  test('requests are guarded without an SDK, and told of once there is one', async () => {
    await using service = await serve()
    expect((await service.client.post('/', { key: 'a' })).status).toBe(201)
    telemetry = register()
    expect((await service.client.post('/', { key: 'b' })).status).toBe(201)
    const replay = await service.client.post('/', { key: 'a' })
    expect(replay.headers['idempotent-replayed']).toBe('true')
    expect(telemetry.spans().map(({ name }) => name)).toEqual([
      'lock.acquire POST /',
      'semaphore.acquire POST /',
      'idempotency.execute POST /',
      'idempotency.execute POST /',
    ])
    // The original of the replay was traced by nobody: there is nothing to link to.
    expect(telemetry.spans().flatMap(({ links }) => links)).toEqual([])
  })
})
