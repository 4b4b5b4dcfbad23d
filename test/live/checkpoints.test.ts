// Checkpoints on real servers: as the adapter keeps them, and as workers hand a task over that were stopped or killed.

import { afterAll, describe, expect, inject, test } from 'vitest'
import { Checkpointer } from '../../src/index.ts'
import { type Child, type ChildMessage, startChild } from '../support/child.ts'
import { dropStore } from '../support/drop-store.ts'
import { openStore, type StoreAt } from '../support/server-store.ts'

const LEASE = 700

const stores: StoreAt[] = [
  { kind: 'redis', url: inject('redisUrl'), name: `checkpoints_${process.pid}` },
  { kind: 'postgres', url: inject('databaseUrl'), name: `checkpoints_${process.pid}` },
]

interface Resumed extends ChildMessage {
  readonly state?: { readonly next: number }
  readonly token: number
}

function startWorker(store: StoreAt): Child {
  return startChild(new URL('./checkpoint-child.ts', import.meta.url), {
    argument: { store, lease: LEASE },
  })
}

async function save(worker: Child, next: number): Promise<void> {
  worker.send({ type: 'save', next })
  await worker.next('saved')
}

/** Lets the worker's function return: its process then ends by itself. */
async function end(worker: Child): Promise<void> {
  worker.send({ type: 'save' })
  await worker.next('ended')
  expect(await worker.exit).toEqual({ code: 0, signal: null })
}

describe.each(stores)('on $kind', (store) => {
  const { provider, close } = openStore(store)
  const task = new Checkpointer<{ next: number }>(undefined, { provider, taskId: 'import' })
  afterAll(async () => {
    await close()
    await dropStore(store)
  })

  test('the adapter keeps checkpoints in order, refuses a late one, and forgets them', async () => {
    const at = (sequence: number) => ({
      taskId: 'adapter',
      sequence,
      timestamp: 1_700_000_000_000,
      state: { lastProcessedIndex: sequence, text: 'e\u0301 \u0000 {}' },
    })
    expect(await provider.loadLatestCheckpoint('adapter')).toBeUndefined()
    for (const sequence of [0, 100, 200]) await provider.saveCheckpoint(at(sequence))
    await provider.saveCheckpoint(at(200))
    await expect(provider.saveCheckpoint(at(100))).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_STALE_CHECKPOINT',
      current: { token: 0, sequence: 200 },
    })
    expect(await provider.loadLatestCheckpoint('adapter')).toEqual(at(200))
    expect(await provider.loadCheckpoint('adapter', 100)).toEqual(at(100))
    expect(await provider.listCheckpoints('adapter')).toEqual([at(200), at(100), at(0)])
    expect(await provider.cleanupCheckpoints('adapter', 1)).toBe(2)
    await provider.deleteAllCheckpoints('adapter')
    expect(await provider.listCheckpoints('adapter')).toEqual([])
    await provider.saveCheckpoint(at(0))
  })

  test('a state of a megabyte comes back as it was', async () => {
    const state = 'ü'.repeat(500_000)
    await provider.saveCheckpoint({ taskId: 'large', sequence: 1, timestamp: 0, state })
    expect((await provider.loadLatestCheckpoint('large'))?.state === state).toBe(true)
  })

  test('a worker that was stopped past its lease is refused once another has resumed', async () => {
    await using stopped = startWorker(store)
    const first = await stopped.next<Resumed>('resumed')
    await save(stopped, 5)
    stopped.pause()

    await using next = startWorker(store)
    const second = await next.next<Resumed>('resumed', 20_000)
    expect(second.state).toEqual({ next: 5 })
    expect(second.token).toBeGreaterThan(first.token)
    await save(next, 6)

    stopped.resume()
    stopped.send({ type: 'save', next: 7 })
    expect(await stopped.next('refused')).toMatchObject({
      code: 'ERR_HOLDFAST_STALE_CHECKPOINT',
      current: { token: second.token },
      lost: 'ERR_HOLDFAST_LEASE_LOST',
    })
    await save(next, 8)
    expect(await task.load()).toMatchObject({ state: { next: 8 } })
    await end(stopped)
    await end(next)
    await task.clear()
  })

  test('a worker that was stopped past its lease still saves while nobody else has resumed', async () => {
    await using worker = startWorker(store)
    await worker.next<Resumed>('resumed')
    worker.pause()
    const resource = 'checkpoint:import'
    const held = async () => (await provider.grants.inspect(resource)).holders.length > 0
    while (await held()) await new Promise((resolve) => setTimeout(resolve, 50))
    worker.resume()
    await save(worker, 9)
    expect(await task.load()).toMatchObject({ state: { next: 9 } })
    await end(worker)
    await task.clear()
  })

  test('the task of a worker that was killed goes on where it stopped', async () => {
    await using killed = startWorker(store)
    expect((await killed.next<Resumed>('resumed')).state).toBeUndefined()
    await save(killed, 3)
    await killed.kill('SIGKILL')
    await using next = startWorker(store)
    expect((await next.next<Resumed>('resumed', 20_000)).state).toEqual({ next: 3 })
    await end(next)
  })
})
