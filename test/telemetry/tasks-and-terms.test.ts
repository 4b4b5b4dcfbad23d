// What checkpointed tasks and elections tell: who saved what a run resumes from, and which term came before.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Checkpointer, LeaderElection, MemoryAdapter } from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { fails, faultyAdapter } from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'
import type { SimpleMetric } from '../support/simple-metric.ts'
import { spanTree } from '../support/span-tree.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

let telemetry: TestTelemetry
beforeEach(() => {
  telemetry = register()
})
// Before the clock is installed, and so after it is gone: to shut down takes time.
afterEach(() => telemetry.unregister())
const time = fakeTime()

/** Collects while the clock stands still: the exporter answers by a timer. */
async function collect(): Promise<Map<string, SimpleMetric>> {
  const collecting = telemetry.metrics()
  while ((await outcomeOf(collecting)).state === 'pending') await time.settle()
  return collecting
}

const outcome = 'holdfast.outcome'
const reason = 'holdfast.reason'

describe('a checkpointed task', () => {
  const taskOn = (provider: MemoryAdapter) =>
    new Checkpointer(undefined, { provider, taskId: 'import:7', name: 'import' })

  test('links a run to the save that it resumes from, and a load to the one that it finds', async () => {
    const provider = new MemoryAdapter()
    await taskOn(provider).run((run) => run.save({ next: 1 }))
    await taskOn(provider).run(() => {})
    await taskOn(provider).load()
    await taskOn(provider).clear()
    const attributes = [outcome, 'holdfast.checkpoint.version']
    expect(spanTree(telemetry.spans(), { attributes, links: true }).split('\n')).toEqual([
      'checkpoint.resume import holdfast.outcome=started holdfast.checkpoint.version=0',
      'checkpoint.save import holdfast.outcome=success holdfast.checkpoint.version=1',
      'checkpoint.resume import holdfast.outcome=resumed holdfast.checkpoint.version=1 -> checkpoint.save import',
      'checkpoint.load import holdfast.outcome=success holdfast.checkpoint.version=1 -> checkpoint.save import',
      'checkpoint.delete import holdfast.outcome=success',
    ])
  })

  test('tells of a save that came too late as a conflict, and why', async () => {
    const provider = new MemoryAdapter()
    const at = (sequence: number) => ({ taskId: 't', sequence, timestamp: 0, state: 1 })
    await provider.saveCheckpoint(at(2))
    await provider.saveCheckpoint(at(1)).catch(() => {})
    const [, late] = telemetry.spans()
    expect(late?.attributes).toMatchObject({ [outcome]: 'conflict', 'error.type': 'stale_token' })
    const duration = (await collect()).get('holdfast.checkpoint.operation.duration')
    const save = { 'holdfast.checkpoint.operation': 'save' }
    expect(duration?.value(save)).toBe(2)
    expect(duration?.value({ ...save, 'error.type': 'stale_token' })).toBe(1)
  })

  test('waits for its worker as a part of resuming, linked to where that began', async () => {
    const provider = new MemoryAdapter()
    const end = deferred()
    const first = taskOn(provider).run(() => end.promise)
    await time.settle()
    const second = taskOn(provider).run(() => {})
    await time.settle()
    end.resolve()
    await Promise.all([first, second])
    const [, waited] = telemetry.spans()
    expect(waited?.attributes).toMatchObject({
      'holdfast.checkpoint.contended': true,
      'holdfast.checkpoint.wakeup': 'message',
    })
    expect(waited?.links[0]?.context.spanId).toBe(telemetry.spans()[0]?.spanContext().spanId)
  })

  test('counts what was started and resumed, measures what is saved, and tells how long ago it was', async () => {
    const provider = new MemoryAdapter()
    const name = { 'holdfast.checkpoint.name': 'import' }
    await taskOn(provider).run(async (run) => {
      await time.pass(90_000)
      expect((await collect()).get('holdfast.checkpoint.age')?.value(name)).toBe(90)
      await run.save('x'.repeat(2_000))
      await time.pass(5_000)
      const metrics = await collect()
      expect(metrics.get('holdfast.checkpoint.age')).toMatchObject({ kind: 'gauge', unit: 's' })
      expect(metrics.get('holdfast.checkpoint.age')?.value(name)).toBe(5)
    })
    await taskOn(provider).run(() => {})
    const metrics = await collect()
    const resumes = metrics.get('holdfast.checkpoint.resumes')
    expect(resumes?.value({ ...name, [outcome]: 'started' })).toBe(1)
    expect(resumes?.value({ ...name, [outcome]: 'resumed' })).toBe(1)
    expect(metrics.get('holdfast.checkpoint.payload.size')?.points[0]?.sum).toBeGreaterThan(2_000)
    // No task runs: nothing grows older.
    await time.pass(60_000)
    expect((await collect()).get('holdfast.checkpoint.age')?.value(name)).toBe(5)
  })

  test('has the age of the run that has not saved for longest', async () => {
    const ends = [deferred(), deferred()]
    for (const [at, end] of ends.entries()) {
      const taskId = `import:${at}`
      const task = new Checkpointer(undefined, { taskId, name: 'imports' })
      void task.run(() => end.promise)
      await time.pass(10_000)
    }
    const age = async () =>
      (await collect())
        .get('holdfast.checkpoint.age')
        ?.value({ 'holdfast.checkpoint.name': 'imports' })
    expect(await age()).toBe(20)
    ends[0]?.resolve()
    await time.settle()
    expect(await age()).toBe(10)
    ends[1]?.resolve()
    await time.settle()
  })
})

describe('an election', () => {
  const name = { 'holdfast.leader_election.name': 'scheduler' }
  const electionOn = (provider: MemoryAdapter | ReturnType<typeof faultyAdapter>, owner: string) =>
    new LeaderElection(undefined, { provider, key: 'scheduler:eu', name: 'scheduler', owner })

  test('links each term to the one before, and says how its leader was called', async () => {
    const provider = new MemoryAdapter()
    const ends = [deferred(), deferred()]
    const first = electionOn(provider, 'a').run(() => ends[0]?.promise)
    await time.settle()
    const second = electionOn(provider, 'b').run(() => ends[1]?.promise)
    await time.settle()
    for (const end of ends) end.resolve()
    await Promise.all([first, second])
    const attributes = [
      outcome,
      'holdfast.leader_election.owner',
      'holdfast.leader_election.wakeup',
    ]
    const campaign = 'leader_election.campaign scheduler'
    expect(spanTree(telemetry.spans(), { attributes, links: true }).split('\n')).toEqual([
      `${campaign} holdfast.outcome=elected holdfast.leader_election.owner=a`,
      // Whom it waited for is the leader of the term before.
      `${campaign} holdfast.outcome=elected holdfast.leader_election.owner=b holdfast.leader_election.wakeup=message -> ${campaign}`,
    ])
  })

  test('tells where each candidate stands: the leaders add up to one', async () => {
    const provider = new MemoryAdapter()
    const status = async () => {
      const metric = (await collect()).get('holdfast.leader_election.status')
      return ['candidate', 'follower', 'leader'].map((state) =>
        metric?.value({ ...name, 'holdfast.leader_election.state': state }),
      )
    }
    const elections = ['a', 'b', 'c'].map((owner) => electionOn(provider, owner))
    const running = elections.map((election) =>
      election.run(
        ({ signal }) =>
          new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
      ),
    )
    await time.settle()
    expect(await status()).toEqual([0, 2, 1])
    await elections[0]?.resign()
    await time.settle()
    expect(await status()).toEqual([0, 1, 1])
    await Promise.all(elections.map((election) => election.resign()))
    await Promise.all(running)
    expect(await status()).toEqual([0, 0, 0])
  })

  test('counts how its terms began and ended, how long they lasted, and how long renewals took', async () => {
    const provider = faultyAdapter()
    const election = electionOn(provider, 'a')
    const running = election.run(
      ({ signal }) =>
        new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    )
    await time.pass(60_000)
    provider.always('grants.renew', fails(new Error('no connection')))
    await time.pass(12_000)
    provider.always('grants.renew', undefined)
    await time.pass(20_000)
    await election.resign()
    await running
    const metrics = await collect()
    const transitions = metrics.get('holdfast.leader_election.transitions')
    expect(
      ['elected', 'expired', 'resigned'].map((why) =>
        transitions?.value({ ...name, [reason]: why }),
      ),
    ).toEqual([2, 1, 1])
    const term = metrics.get('holdfast.leader_election.term.duration')
    const expired = term?.points.find(({ attributes }) => attributes[reason] === 'expired')
    expect(expired?.sum).toBeCloseTo(70, 0)
    expect(term?.value({ ...name, [reason]: 'resigned' })).toBe(1)
    const renewals = metrics.get('holdfast.leader_election.renew.duration')
    expect(renewals?.value({ ...name, 'error.type': 'store_unavailable' })).toBeGreaterThan(20)
    expect(telemetry.spans().map((span) => span.name)).toEqual([
      'leader_election.campaign scheduler',
      'leader_election.campaign scheduler',
    ])
  })

  test('of a candidate that gives up is cancelled, which is no failure', async () => {
    const provider = new MemoryAdapter()
    const end = deferred()
    void electionOn(provider, 'a').run(() => end.promise)
    await time.settle()
    const waiting = electionOn(provider, 'b')
    const running = waiting.run(() => {})
    await time.settle()
    await waiting.resign()
    await running
    const cancelled = telemetry.spans().at(-1)
    expect(cancelled?.attributes[outcome]).toBe('cancelled')
    expect(cancelled?.attributes['error.type']).toBeUndefined()
    end.resolve()
    await time.settle()
  })
})
