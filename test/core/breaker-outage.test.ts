// Circuit breakers over a store that fails, hangs or answers late: what they know, and whom they let through.

import { expect, test } from 'vitest'
import { CircuitBreaker, type CircuitBreakerOptions } from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { answersAfter, faultyAdapter } from '../support/faulty-adapter.ts'

const time = fakeTime()

const work = () => 'answer'
const isOpen = { code: 'ERR_HOLDFAST_CIRCUIT_OPEN' }

/** Breakers of two processes, of which the second one always reaches the store. */
function breakers(options: CircuitBreakerOptions = {}) {
  const provider = faultyAdapter({ deadline: 2_000 })
  const shared = { key: 'api', failureThreshold: 3, resetTimeout: 1_000, ...options }
  return {
    provider,
    breaker: new CircuitBreaker({ ...shared, stateProvider: provider }),
    other: new CircuitBreaker({ ...shared, stateProvider: provider.store }),
  }
}

test('every call waits for the first answer of the store, however long it takes', async () => {
  const { provider, breaker, other } = breakers()
  await other.isolate()
  const gate = deferred()
  provider.once('counts.report', answersAfter(gate.promise))
  const calls = [breaker.execute(work)]
  await time.pass(1_500)
  calls.push(breaker.execute(work))
  gate.resolve()
  for (const call of await Promise.allSettled(calls)) expect(call).toMatchObject({ reason: isOpen })
})
