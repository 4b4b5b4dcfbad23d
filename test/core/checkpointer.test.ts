// Checkpointer: a long task goes on where its last worker stopped, and one that was replaced cannot save over the next.

import { describe, expect, test } from 'vitest'
import {
  Checkpointer,
  type CheckpointerOptions,
  type CheckpointRun,
  isAcquireTimeoutError,
  isClosedError,
  isInvalidArgumentError,
  isLeaseLostError,
  isSchemaMismatchError,
  isStaleCheckpointError,
  isStoreCorruptError,
  isStoreUnavailableError,
  MemoryAdapter,
  type OwnershipProvider,
  scope,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { fails, faultyAdapter, hangs, landsAfter, losesAnswer } from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'

interface State {
  next: number
}

const time = fakeTime()

function taskOn(
  provider: OwnershipProvider,
  options: Partial<CheckpointerOptions<State>> = {},
): Checkpointer<State> {
  return new Checkpointer<State>(undefined, { provider, taskId: 'import', ...options })
}

/** Runs a task whose worker is left at work, so that the test can save as it. */
async function workerOf(task: Checkpointer<State>) {
  const began = deferred<CheckpointRun<State>>()
  const end = deferred<void>()
  const running = task.run((run) => {
    began.resolve(run)
    return end.promise
  })
  const run = await Promise.race([began.promise, running.then(() => expect.unreachable())])
  return { run, running, end: () => end.resolve() }
}

describe('a run', () => {
  test('begins with nothing, and the next goes on where it stopped', async () => {
    const task = taskOn(new MemoryAdapter())
    const stopped = task.run(async (run) => {
      expect([run.state, run.sequence, run.progress]).toEqual([undefined, 0, undefined])
      await run.save({ next: 1 })
      await run.save({ next: 2 }, { progress: 0.2 })
      throw new Error('out of memory')
    })
    await expect(stopped).rejects.toThrow('out of memory')
    const done = await task.run(async (run) => {
      expect([run.state, run.sequence, run.progress]).toEqual([{ next: 2 }, 2, 0.2])
      await run.save({ next: 10 }, { progress: 1 })
      return 'done'
    })
    expect(done).toBe('done')
  })

  test('that has ended leaves its last state: the task goes on after it, until it is cleared', async () => {
    const task = taskOn(new MemoryAdapter())
    await task.run((run) => run.save({ next: 10 }))
    expect(await task.run((run) => run.state)).toEqual({ next: 10 })
    await task.clear()
    expect(await task.run((run) => [run.state, run.sequence])).toEqual([undefined, 0])
  })

  test('sees its state change with every save, and the progress stay until it is told anew', async () => {
    const task = taskOn(new MemoryAdapter())
    await task.run(async (run) => {
      await run.save({ next: 1 }, { progress: 0.1 })
      expect([run.state, run.sequence, run.progress]).toEqual([{ next: 1 }, 1, 0.1])
      await run.save({ next: 2 })
      expect([run.state, run.sequence, run.progress]).toEqual([{ next: 2 }, 2, 0.1])
    })
  })

  test('has a greater fencing token than every run before', async () => {
    const task = taskOn(new MemoryAdapter())
    const tokens = [
      await task.run((run) => run.fencingToken),
      await task.run((r) => r.fencingToken),
    ]
    expect(tokens[1]).toBeGreaterThan(tokens[0] ?? Number.NaN)
  })

  test('waits for the worker that owns the task, or says so after its timeout', async () => {
    const provider = new MemoryAdapter()
    const first = await workerOf(taskOn(provider))
    const impatient = taskOn(provider).run(() => 'never', { timeout: 1_000 })
    impatient.catch(() => {})
    const patient = taskOn(provider).run((run) => run.state)
    await expect(taskOn(provider).run(() => 'never', { timeout: 0 })).rejects.toThrow(
      "Another worker owns 'import' (tried once)",
    )
    await time.pass(1_000)
    await expect(impatient).rejects.toSatisfy(isAcquireTimeoutError)
    await first.run.save({ next: 4 })
    first.end()
    expect(await patient).toEqual({ next: 4 })
  })

  test('does not meet a lock of the same name', async () => {
    const provider = new MemoryAdapter()
    const first = await workerOf(taskOn(provider))
    const { holders } = await provider.grants.inspect('lock:import')
    expect(holders).toEqual([])
    first.end()
    await first.running
  })

  test('is what the adapter shows too', async () => {
    const provider = new MemoryAdapter()
    await taskOn(provider).run((run) => run.save({ next: 3 }, { progress: 0.3 }))
    expect(await provider.loadLatestCheckpoint('import')).toMatchObject({
      taskId: 'import',
      sequence: 1,
      state: { next: 3 },
      progress: 0.3,
    })
    expect(await taskOn(provider).load()).toEqual(await provider.loadLatestCheckpoint('import'))
  })
})

describe('a worker that was stopped for longer than its lease', () => {
  test('is refused by the store once another has taken the task over', async () => {
    const provider = faultyAdapter()
    const first = await workerOf(taskOn(provider))
    await first.run.save({ next: 5 })
    provider.always('grants.renew', hangs)
    await time.pass(31_000)
    expect(first.run.signal.reason).toSatisfy(isLeaseLostError)
    const second = await workerOf(taskOn(provider.store))
    expect(second.run.state).toEqual({ next: 5 })

    const late = first.run.save({ next: 6 })
    await expect(late).rejects.toSatisfy(isStaleCheckpointError)
    await expect(late).rejects.toMatchObject({
      current: { token: second.run.fencingToken, sequence: 1 },
      message: "A checkpoint of 'import' came too late: another worker has taken the task over",
    })
    await second.run.save({ next: 7 })
    await expect(first.run.save({ next: 8 })).rejects.toSatisfy(isStaleCheckpointError)
    expect(await taskOn(provider.store).load()).toMatchObject({ state: { next: 7 }, sequence: 2 })
    first.end()
    second.end()
    await Promise.all([first.running, second.running])
  })

  test('still saves while nobody has', async () => {
    const provider = faultyAdapter()
    const first = await workerOf(taskOn(provider))
    provider.always('grants.renew', hangs)
    await time.pass(31_000)
    await first.run.save({ next: 6 })
    expect(await taskOn(provider.store).load()).toMatchObject({ state: { next: 6 } })
    first.end()
    await first.running
  })

  test('stays refused after the next has cleared the task', async () => {
    const provider = faultyAdapter()
    const first = await workerOf(taskOn(provider))
    provider.always('grants.renew', hangs)
    await time.pass(31_000)
    await taskOn(provider.store).run((run) => run.save({ next: 7 }))
    await taskOn(provider.store).clear()
    await expect(first.run.save({ next: 6 })).rejects.toSatisfy(isStaleCheckpointError)
    expect(await taskOn(provider.store).load()).toBeUndefined()
    first.end()
    await first.running
  })

  test('is told of by an event', async () => {
    const provider = faultyAdapter()
    const first = await workerOf(taskOn(provider))
    provider.always('grants.renew', hangs)
    await time.pass(31_000)
    expect(provider.events).toMatchObject([{ name: 'holdfast.checkpoint.lost', key: 'import' }])
    first.end()
    await first.running
  })
})

describe('saves', () => {
  test('go one after the other, with what the state was when each was asked for', async () => {
    const provider = faultyAdapter()
    const task = taskOn(provider)
    const gate = deferred()
    await task.run(async (run) => {
      provider.once('histories.append', landsAfter(gate.promise))
      const state = { next: 1 }
      const first = run.save(state)
      state.next = 2
      const second = run.save(state)
      state.next = 3
      await outcomeOf(second)
      expect(provider.count('histories.append')).toBe(1)
      gate.resolve()
      await Promise.all([first, second])
    })
    expect((await provider.store.listCheckpoints('import')).map(({ state }) => state)).toEqual([
      { next: 2 },
      { next: 1 },
    ])
  })

  test('that were not waited for are on record when the run resolves', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    provider.once('histories.append', landsAfter(gate.promise))
    const running = taskOn(provider).run((run) => void run.save({ next: 1 }))
    expect(await outcomeOf(running)).toEqual({ state: 'pending' })
    gate.resolve()
    await running
    expect(await provider.store.loadLatestCheckpoint('import')).toMatchObject({ sequence: 1 })
  })

  test('that were not waited for and fail are the failure of the run', async () => {
    const provider = faultyAdapter()
    const unhandled: unknown[] = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    provider.once('histories.append', fails(new Error('no connection')))
    const gate = deferred()
    provider.once('histories.append', landsAfter(gate.promise))
    const running = taskOn(provider).run((run) => {
      void run.save({ next: 1 })
      void run.save({ next: 2 })
      return 'done'
    })
    // The task is not given back before the last of them has ended.
    expect(await outcomeOf(running)).toEqual({ state: 'pending' })
    gate.resolve()
    await expect(running).rejects.toSatisfy(isStoreUnavailableError)
    expect(await provider.store.loadLatestCheckpoint('import')).toMatchObject({
      state: { next: 2 },
    })
    expect((await provider.store.grants.inspect('checkpoint:import')).holders).toEqual([])
    expect(await taskOn(provider).run((run) => run.state)).toEqual({ next: 2 })
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  test('that were not waited for and fail do not hide the error of the work', async () => {
    const provider = faultyAdapter()
    provider.once('histories.append', fails(new Error('no connection')))
    const failure = new Error('row 7 is broken')
    const running = taskOn(provider).run((run) => {
      void run.save({ next: 1 })
      throw failure
    })
    await expect(running).rejects.toBe(failure)
  })

  test('that fail and were caught are no failure of the run', async () => {
    const provider = faultyAdapter()
    provider.once('histories.append', fails(new Error('no connection')))
    const running = taskOn(provider).run(async (run) => {
      await run.save({ next: 1 }).catch(() => {})
      return 'done'
    })
    expect(await running).toBe('done')
  })

  test('of a run that is over are refused', async () => {
    let leaked: CheckpointRun<State> | undefined
    await taskOn(new MemoryAdapter()).run((run) => {
      leaked = run
    })
    await expect(leaked?.save({ next: 1 })).rejects.toSatisfy(isClosedError)
  })

  test('that arrive late do not replace the one that was saved since', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    await taskOn(provider).run(async (run) => {
      provider.once('histories.append', landsAfter(gate.promise))
      const lost = run.save({ next: 1 })
      lost.catch(() => {})
      await time.pass(600)
      await expect(lost).rejects.toSatisfy(isStoreUnavailableError)
      expect([run.state, run.sequence]).toEqual([undefined, 0])
      await run.save({ next: 2 })
      gate.resolve()
      await time.settle()
    })
    expect(await provider.store.loadLatestCheckpoint('import')).toMatchObject({
      state: { next: 2 },
    })
  })

  test('whose answer was lost may be repeated', async () => {
    const provider = faultyAdapter()
    await taskOn(provider).run(async (run) => {
      provider.once('histories.append', losesAnswer())
      await expect(run.save({ next: 1 })).rejects.toMatchObject({ outcome: 'unknown' })
      await run.save({ next: 1 })
      expect(run.state).toEqual({ next: 1 })
    })
  })

  test('of what is not JSON, too large, or of no progress are refused without a store call', async () => {
    const provider = faultyAdapter()
    const task = new Checkpointer(undefined, { provider, taskId: 'import', maxBytes: 200 })
    await task.run(async (run) => {
      for (const refused of [
        run.save({ big: 1n }),
        run.save('x'.repeat(200)),
        run.save({}, { progress: 2 }),
      ]) {
        await expect(refused).rejects.toSatisfy(isInvalidArgumentError)
      }
    })
    expect(provider.count('histories.append')).toBe(0)
  })
})

describe('a state of another version', () => {
  const old = (provider: OwnershipProvider) =>
    new Checkpointer<{ index: number }>(undefined, { provider, taskId: 'import' })

  test('without migrate is an error that says both versions, and nothing is lost', async () => {
    const provider = new MemoryAdapter()
    await old(provider).run((run) => run.save({ index: 7 }))
    const task = taskOn(provider, { schemaVersion: 2 })
    let ran = false
    const running = task.run(() => {
      ran = true
    })
    await expect(running).rejects.toSatisfy(isSchemaMismatchError)
    await expect(running).rejects.toMatchObject({ found: 1, expected: 2, key: 'import' })
    await expect(task.load()).rejects.toSatisfy(isSchemaMismatchError)
    expect(ran).toBe(false)
    expect(await old(provider).run((run) => run.state)).toEqual({ index: 7 })
  })

  test('is migrated, and saved in the new form from then on', async () => {
    const provider = new MemoryAdapter()
    await old(provider).run((run) => run.save({ index: 7 }))
    const versions: number[] = []
    const task = taskOn(provider, {
      schemaVersion: 2,
      migrate: async (state, version) => {
        versions.push(version)
        return { next: (state as { index: number }).index }
      },
    })
    expect(await task.load()).toMatchObject({ state: { next: 7 }, sequence: 1 })
    await task.run(async (run) => {
      expect(run.state).toEqual({ next: 7 })
      await run.save({ next: 8 })
    })
    expect(await task.run((run) => run.state)).toEqual({ next: 8 })
    expect(versions).toEqual([1, 1])
  })

  test('whose migration throws leaves the task free and as it was', async () => {
    const provider = new MemoryAdapter()
    await old(provider).run((run) => run.save({ index: 7 }))
    const migrate = () => {
      throw new Error('no way')
    }
    const running = taskOn(provider, { schemaVersion: 2, migrate }).run(() => {})
    await expect(running).rejects.toThrow('no way')
    expect(await old(provider).run((run) => run.state, { timeout: 0 })).toEqual({ index: 7 })
  })
})

describe('when the store fails', () => {
  test('while the task is taken over, the run is refused and the task is free again', async () => {
    const provider = faultyAdapter()
    provider.once('histories.open', fails(new Error('no connection')))
    const running = taskOn(provider).run(() => expect.unreachable())
    await expect(running).rejects.toSatisfy(isStoreUnavailableError)
    expect(await taskOn(provider.store).run(() => 'free', { timeout: 0 })).toBe('free')
  })

  test('a checkpoint that is not what was saved stops the run, and is left as it is', async () => {
    const provider = new MemoryAdapter()
    const damaged = { history: 'checkpoint:import', token: 0, sequence: 1, value: 'damaged' }
    await provider.histories.append({ ...damaged, keep: 1, ttl: 1_000, meta: {} })
    const running = taskOn(provider).run(() => expect.unreachable())
    await expect(running).rejects.toSatisfy(isStoreCorruptError)
    expect((await provider.histories.read('checkpoint:import'))?.value).toBe('damaged')
  })
})

describe('the signal of a run', () => {
  test('aborts with the caller’s, and the task is free once the work has settled', async () => {
    const provider = new MemoryAdapter()
    const controller = new AbortController()
    const settle = deferred<string>()
    const running = taskOn(provider).run(
      async (run) => {
        await new Promise((resolve) => run.signal.addEventListener('abort', resolve))
        return settle.promise
      },
      { signal: controller.signal },
    )
    await time.settle()
    controller.abort('enough')
    await time.settle()
    await expect(taskOn(provider).run(() => {}, { timeout: 0 })).rejects.toSatisfy(
      isAcquireTimeoutError,
    )
    settle.resolve('stopped')
    expect(await running).toBe('stopped')
    expect(await taskOn(provider).run(() => 'free', { timeout: 0 })).toBe('free')
  })

  test('that has aborted before is no run at all', async () => {
    const provider = faultyAdapter()
    const running = taskOn(provider).run(() => expect.unreachable(), {
      signal: AbortSignal.abort('why'),
    })
    await expect(running).rejects.toMatchObject({ code: 'ERR_HOLDFAST_ABORTED', cause: 'why' })
    expect(provider.calls).toEqual([])
  })

  test('aborts with its scope, which waits for the work to save before it gives the task back', async () => {
    const provider = new MemoryAdapter()
    const s = scope({ provider })
    const task = new Checkpointer<State>(s.signal, { taskId: 'import' })
    const running = task.run(async (run) => {
      await new Promise((resolve) => run.signal.addEventListener('abort', resolve))
      await run.save({ next: 9 })
    })
    await time.settle()
    await s[Symbol.asyncDispose]()
    await running
    expect(await taskOn(provider).run((run) => run.state, { timeout: 0 })).toEqual({ next: 9 })
  })
})

describe('a Checkpointer refuses', () => {
  test.each([
    {},
    { taskId: '' },
    { taskId: 't', lease: 0 },
    { taskId: 't', keep: 0 },
    { taskId: 't', ttl: 1.5 },
    { taskId: 't', schemaVersion: 0 },
    { taskId: 't', migrate: 'no function' },
    { taskId: 't', name: '' },
    { taskId: 't', provider: { grants: {}, signals: {} } },
    null,
  ])('the options %j', (options) => {
    expect(() => new Checkpointer(undefined, options as never)).toThrow(
      expect.toSatisfy(isInvalidArgumentError),
    )
  })

  test('a run of nothing, or with a timeout that is none, without a store call', async () => {
    const provider = faultyAdapter()
    const task = taskOn(provider)
    await expect(task.run('work' as never)).rejects.toSatisfy(isInvalidArgumentError)
    await expect(task.run(() => {}, { timeout: -1 })).rejects.toSatisfy(isInvalidArgumentError)
    expect(provider.calls).toEqual([])
  })
})
