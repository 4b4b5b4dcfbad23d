// Leader elections: one leads at a time, stops believing before another begins, and stands again after a loss.

import { describe, expect, test } from 'vitest'
import {
  ClosedError,
  isInvalidArgumentError,
  isLeaseLostError,
  LeaderElection,
  type LeaderElectionOptions,
  MemoryAdapter,
  type OwnershipProvider,
  StoreUnavailableError,
  scope,
  type Term,
} from '../../src/index.ts'
import { type Deferred, deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { answersAfter, fails, faultyAdapter, hangs } from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

function candidate(
  provider: OwnershipProvider,
  options: Partial<LeaderElectionOptions> = {},
): LeaderElection {
  return new LeaderElection(undefined, { provider, key: 'scheduler', ...options })
}

interface Led<T> {
  readonly term: Term
  readonly end: Deferred<T>
}

/** Stands for election; every term that it leads is put on record, and goes on until the test ends it. */
function standing<T = void>(election: LeaderElection, options?: { signal: AbortSignal }) {
  const terms: Led<T>[] = []
  const running = election.run((term) => {
    const end = deferred<T>()
    terms.push({ term, end })
    return end.promise
  }, options)
  running.catch(() => {})
  return { running, terms }
}

/** Waits as most functions of a leader do: until its signal aborts, and then it throws. */
function untilAborted({ signal }: Term): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}

describe('an election', () => {
  test('has one leader, and the next leads when it returns', async () => {
    const provider = new MemoryAdapter()
    const elections = ['a', 'b', 'c'].map((owner) => candidate(provider, { owner }))
    const led = elections.map((election) => standing<string>(election))
    await time.settle()
    expect(elections.map(({ isLeader }) => isLeader)).toEqual([true, false, false])
    led[0]?.terms[0]?.end.resolve('done')
    expect(await led[0]?.running).toBe('done')
    await time.settle()
    expect(elections.map(({ isLeader }) => isLeader)).toEqual([false, true, false])
    for (const at of [1, 2]) {
      led[at]?.terms[0]?.end.resolve('done')
      await time.settle()
    }
    expect(await Promise.all(led.map(({ running }) => running))).toEqual(['done', 'done', 'done'])
  })

  test('says who leads, in which term, to everybody', async () => {
    const provider = new MemoryAdapter()
    const first = candidate(provider, { owner: 'instance-1' })
    const second = candidate(provider)
    expect(await second.leader()).toBeUndefined()
    const { terms } = standing(first)
    await time.settle()
    const leader = { owner: 'instance-1', term: terms[0]?.term.fencingToken }
    expect(await second.leader()).toEqual(leader)
    expect(await first.leader()).toEqual(leader)
    terms[0]?.end.resolve()
    await time.settle()
    expect(await second.leader()).toBeUndefined()
  })

  test('gives every term a greater token, and puts it on record', async () => {
    const provider = new MemoryAdapter()
    const tokens: (number | undefined)[] = []
    for (const owner of ['a', 'b', 'c']) {
      tokens.push(await candidate(provider, { owner }).run((term) => term.fencingToken))
    }
    expect(tokens).toEqual(tokens.toSorted())
    expect(new Set(tokens).size).toBe(3)
    expect(await provider.histories.list('leader:scheduler')).toMatchObject(
      ['c', 'b', 'a'].map((value, at) => ({ value, sequence: tokens[2 - at] })),
    )
  })

  test('does not meet a lock or a task of the same name', async () => {
    const provider = new MemoryAdapter()
    standing(candidate(provider))
    await time.settle()
    expect((await provider.grants.inspect('lock:scheduler')).holders).toEqual([])
    expect((await provider.grants.inspect('checkpoint:scheduler')).holders).toEqual([])
  })

  test('is run once at a time by one object', async () => {
    const election = candidate(new MemoryAdapter())
    const { terms, running } = standing(election)
    await time.settle()
    await expect(election.run(() => {})).rejects.toSatisfy(isInvalidArgumentError)
    terms[0]?.end.resolve()
    await running
    expect(await election.run(() => 'again')).toBe('again')
  })
})

describe('a leader that renews in time', () => {
  test('leads for as long as it likes', async () => {
    const provider = faultyAdapter()
    const election = candidate(provider)
    const { terms } = standing(election)
    await time.pass(3_600_000)
    expect(election.isLeader).toBe(true)
    expect(terms).toHaveLength(1)
    expect(terms[0]?.term.signal.aborted).toBe(false)
    expect(provider.count('grants.renew')).toBeGreaterThanOrEqual(3_600_000 / 2_000 - 1)
  })
})

describe('a leader whose renewals fail', () => {
  test('stops leading its renewDeadline after the last renewal was sent, and others begin after its ttl', async () => {
    const provider = faultyAdapter()
    const first = candidate(provider)
    const led = standing(first)
    await time.pass(4_001)
    provider.always('grants.renew', hangs)
    // The last one was sent at 4,000.
    const second = standing(candidate(provider.store))
    await time.pass(9_998)
    expect(first.isLeader).toBe(true)
    expect(() => led.terms[0]?.term.assertHeld()).not.toThrow()
    await time.pass(1)
    expect(first.isLeader).toBe(false)
    expect(led.terms[0]?.term.signal.reason).toSatisfy(isLeaseLostError)
    expect(() => led.terms[0]?.term.assertHeld()).toThrow(
      "The leadership 'scheduler' is no longer held: it could not be renewed in time",
    )
    await time.pass(4_999)
    expect(second.terms).toHaveLength(0)
    await time.pass(10)
    expect(second.terms).toHaveLength(1)
    expect(second.terms[0]?.term.fencingToken).toBeGreaterThan(
      led.terms[0]?.term.fencingToken ?? Number.NaN,
    )
  })

  test('counts from when a renewal was sent, however late its answer came', async () => {
    const provider = faultyAdapter({ deadline: 60_000 })
    const election = candidate(provider, { ttl: 60_000, renewDeadline: 10_000 })
    standing(election)
    await time.pass(1_999)
    const gate = deferred()
    provider.once('grants.renew', answersAfter(gate.promise))
    provider.always('grants.renew', hangs)
    await time.pass(7_000)
    gate.resolve()
    // Sent at 2,000 and answered at 8,999.
    await time.pass(3_000)
    expect(election.isLeader).toBe(true)
    await time.pass(2)
    expect(election.isLeader).toBe(false)
  })

  test('tells of it by one event, with the error', async () => {
    const provider = faultyAdapter()
    const { terms } = standing(candidate(provider))
    await time.pass(1)
    provider.always('grants.renew', fails(new Error('no connection')))
    await time.pass(12_000)
    expect(provider.events.filter(({ name }) => name.endsWith('changed'))).toMatchObject([
      { message: 'elected', key: 'scheduler' },
      { error: terms[0]?.term.signal.reason, key: 'scheduler' },
    ])
  })
})

describe('after a loss', () => {
  test('it stands again only when the function has settled', async () => {
    const provider = faultyAdapter()
    const { terms } = standing(candidate(provider))
    await time.pass(1)
    provider.always('grants.renew', hangs)
    await time.pass(20_000)
    provider.always('grants.renew', undefined)
    expect(terms[0]?.term.signal.aborted).toBe(true)
    await time.pass(60_000)
    expect(provider.count('grants.acquire')).toBe(1)
    terms[0]?.end.resolve()
    await time.pass(10)
    expect(terms).toHaveLength(2)
    expect(terms[1]?.term.signal.aborted).toBe(false)
  })

  test('a function that throws has settled too: the run goes on', async () => {
    const provider = faultyAdapter()
    const election = candidate(provider)
    const running = election.run(untilAborted)
    await time.pass(1)
    provider.always('grants.renew', hangs)
    await time.pass(12_000)
    provider.always('grants.renew', undefined)
    await time.pass(30_000)
    expect(await outcomeOf(running)).toEqual({ state: 'pending' })
    expect(election.isLeader).toBe(true)
    expect(provider.events.map(({ name }) => name)).not.toContain('holdfast.callback.failed')
  })

  test('an error that has nothing to do with it is told of', async () => {
    const provider = faultyAdapter()
    const { terms } = standing(candidate(provider))
    await time.pass(1)
    provider.always('grants.renew', hangs)
    await time.pass(12_000)
    terms[0]?.end.reject(new Error('a bug'))
    await time.settle()
    expect(provider.events).toContainEqual(
      expect.objectContaining({ name: 'holdfast.callback.failed', key: 'scheduler' }),
    )
  })

  test('a function that does not settle is told of when others may lead', async () => {
    const provider = faultyAdapter()
    standing(candidate(provider))
    await time.pass(1)
    provider.always('grants.renew', hangs)
    const overruns = () => provider.events.filter(({ name }) => name.endsWith('overrun'))
    await time.pass(14_997)
    expect(overruns()).toEqual([])
    await time.pass(10)
    expect(overruns()).toMatchObject([{ key: 'scheduler' }])
    await time.pass(60_000)
    expect(overruns()).toHaveLength(1)
  })

  test('it is left behind after abandonAfter, and its late end changes nothing', async () => {
    const provider = faultyAdapter()
    const election = candidate(provider, { abandonAfter: 30_000 })
    const { terms, running } = standing(election)
    await time.pass(1)
    provider.always('grants.renew', hangs)
    await time.pass(12_000)
    provider.always('grants.renew', undefined)
    await time.pass(27_000)
    expect(terms).toHaveLength(1)
    await time.pass(3_000)
    expect(terms).toHaveLength(2)
    expect(provider.events.map(({ name }) => name)).toContain('holdfast.leader_election.overrun')
    expect(() => terms[0]?.term.assertHeld()).toThrow(/no longer held/)
    terms[0]?.end.reject(new Error('late'))
    await time.pass(10)
    expect(election.isLeader).toBe(true)
    expect(await outcomeOf(running)).toEqual({ state: 'pending' })
  })
})

describe('a function that throws as the leader', () => {
  test('gives the lead up, and is the error of the run', async () => {
    const provider = new MemoryAdapter()
    const election = candidate(provider)
    const thrown = new Error('a bug')
    const running = election.run(() => {
      throw thrown
    })
    await expect(running).rejects.toBe(thrown)
    expect(election.isLeader).toBe(false)
    expect(await election.leader()).toBeUndefined()
  })
})

describe('an orderly end', () => {
  test.each<[string, (election: LeaderElection, controller: AbortController) => unknown]>([
    ['by resign()', (election) => election.resign()],
    ['by the run’s signal', (_election, controller) => controller.abort('enough')],
  ])(
    '%s: the next leads as soon as the function has settled, and not before',
    async (_how, end) => {
      const provider = new MemoryAdapter()
      const election = candidate(provider)
      const controller = new AbortController()
      const { terms, running } = standing(election, { signal: controller.signal })
      const next = standing(candidate(provider))
      await time.settle()
      const ended = end(election, controller)
      await time.pass(60_000)
      expect(terms[0]?.term.signal.aborted).toBe(true)
      // It is still renewed: nobody else may act while this one tidies up.
      expect(next.terms).toHaveLength(0)
      expect(() => terms[0]?.term.assertHeld()).not.toThrow()
      terms[0]?.end.resolve()
      expect(await running).toBeUndefined()
      await ended
      await time.settle()
      expect(next.terms).toHaveLength(1)
    },
  )

  test('is undefined when the function throws on its signal', async () => {
    const election = candidate(new MemoryAdapter())
    const running = election.run(untilAborted)
    await time.settle()
    await election.resign()
    expect(await running).toBeUndefined()
  })

  test('of a candidate that waits takes it out of the queue', async () => {
    const provider = new MemoryAdapter()
    const { terms } = standing(candidate(provider))
    const waiting = candidate(provider)
    const { running } = standing(waiting)
    await time.settle()
    await waiting.resign()
    expect(await running).toBeUndefined()
    await time.pass(10)
    expect((await provider.grants.inspect('leader:scheduler')).waiters).toEqual([])
    expect(terms[0]?.term.signal.aborted).toBe(false)
  })

  test('that came before makes no store call at all', async () => {
    const provider = faultyAdapter()
    const signal = AbortSignal.abort()
    expect(await candidate(provider).run(() => 'led', { signal })).toBeUndefined()
    expect(provider.calls).toEqual([])
  })

  test('with the scope waits for the function, and then the lead is free', async () => {
    const provider = new MemoryAdapter()
    const s = scope({ provider })
    const election = new LeaderElection(s.signal, { key: 'scheduler' })
    const log: string[] = []
    const running = election.run(async (term) => {
      await new Promise((resolve) => term.signal.addEventListener('abort', resolve))
      await Promise.resolve()
      log.push('tidied up')
    })
    await time.settle()
    await s[Symbol.asyncDispose]()
    log.push('disposed')
    await running
    expect(log).toEqual(['tidied up', 'disposed'])
    expect(await candidate(provider).leader()).toBeUndefined()
  })

  test('with a scope that gives up waiting takes the lead from a function that hangs', async () => {
    const provider = new MemoryAdapter()
    const s = scope({ provider, disposeTimeout: 1_000 })
    const { terms } = standing(new LeaderElection(s.signal, { key: 'scheduler' }))
    await time.settle()
    const disposal = s[Symbol.asyncDispose]()
    await time.pass(1_000)
    await disposal
    expect(() => terms[0]?.term.assertHeld()).toThrow(/released already/)
    expect(await candidate(provider).run(() => 'next')).toBe('next')
  })

  test('after abandonAfter does not wait for the function any longer', async () => {
    const provider = new MemoryAdapter()
    const election = candidate(provider, { abandonAfter: 5_000 })
    const { running } = standing(election)
    await time.settle()
    const resigned = election.resign()
    await time.pass(5_000)
    await resigned
    expect(await running).toBeUndefined()
    expect(await election.leader()).toBeUndefined()
  })
})

describe('without the store', () => {
  test('a candidate stands again until it answers, and tells of the outage once', async () => {
    const provider = faultyAdapter()
    provider.always('grants.acquire', fails(new Error('no connection')))
    const { terms } = standing(candidate(provider))
    await time.pass(60_000)
    expect(provider.count('grants.acquire')).toBeGreaterThan(20)
    expect(provider.events.filter(({ name }) => name === 'holdfast.store.warning')).toHaveLength(1)
    provider.always('grants.acquire', undefined)
    await time.pass(3_000)
    expect(terms).toHaveLength(1)
  })

  test('for good, because its client was closed, the run is over', async () => {
    const provider = faultyAdapter()
    const cause = new ClosedError('The client is closed')
    const closed = new StoreUnavailableError('The client is closed', { outcome: 'none', cause })
    provider.always('grants.acquire', fails(closed))
    await expect(candidate(provider).run(() => {})).rejects.toBe(closed)
  })

  test('for good, because its adapter was disconnected, the run is over', async () => {
    const provider = faultyAdapter()
    const closed = new ClosedError('The adapter was disconnected')
    provider.always('grants.acquire', fails(closed))
    await expect(candidate(provider).run(() => {})).rejects.toBe(closed)
  })

  test('a history that cannot be written keeps nobody from leading', async () => {
    const provider = faultyAdapter()
    provider.always('histories.open', fails(new Error('no connection')))
    const { terms } = standing(candidate(provider))
    await time.settle()
    expect(terms).toHaveLength(1)
    expect(provider.events).toMatchObject([
      { name: 'holdfast.leader_election.changed', message: 'elected' },
      { name: 'holdfast.store.warning' },
    ])
  })

  test('a lead whose answer came after its renewDeadline is given back, and stood for again', async () => {
    const provider = faultyAdapter({ deadline: 60_000 })
    const gate = deferred()
    provider.once('histories.open', answersAfter(gate.promise))
    provider.always('grants.renew', hangs)
    const { terms } = standing(candidate(provider, { ttl: 60_000 }))
    await time.pass(11_000)
    provider.always('grants.renew', undefined)
    gate.resolve()
    await time.settle()
    expect(terms).toHaveLength(0)
    expect((await provider.store.grants.inspect('leader:scheduler')).holders).toEqual([])
    await time.pass(2_500)
    expect(terms).toHaveLength(1)
  })
})

describe('a LeaderElection refuses', () => {
  test.each([
    {},
    { key: '' },
    { key: 'k', ttl: 0 },
    { key: 'k', owner: '' },
    { key: 'k', abandonAfter: -1 },
    { key: 'k', name: 7 },
    { key: 'k', provider: { grants: {}, signals: {} } },
    null,
  ])('the options %j', (options) => {
    expect(() => new LeaderElection(undefined, options as never)).toThrow(
      expect.toSatisfy(isInvalidArgumentError),
    )
  })

  test('a renewDeadline that is not below the ttl, or not well above the retryInterval', () => {
    const provider = new MemoryAdapter()
    expect(() => candidate(provider, { ttl: 10_000 })).toThrow(
      'Expected `renewDeadline` to be less than `ttl` (10000), got 10000',
    )
    expect(() => candidate(provider, { renewDeadline: 2_400 })).toThrow(
      'Expected `renewDeadline` to be more than 1.2 `retryInterval` (2000), got 2400',
    )
    candidate(provider, { ttl: 2_402, renewDeadline: 2_401 })
  })
})
