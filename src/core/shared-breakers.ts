// Circuit breakers by store and key, so that options which are written anew for every task mean one breaker.
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts'
import { defaultAdapter } from './default-adapter.ts'

/** Options of a breaker that is known by its key. */
export interface SharedBreakerOptions extends CircuitBreakerOptions {
  readonly key: string
}

/** How many are remembered for each store; a shared store keeps the state of one that is forgotten. */
const MOST = 10_000

const breakers = new WeakMap<object, Map<string, CircuitBreaker>>()

/** The breaker of a key; the options of whoever asked first hold. */
export function sharedBreaker(options: SharedBreakerOptions): CircuitBreaker {
  const store = options.stateProvider ?? defaultAdapter()
  const known = breakers.get(store) ?? new Map<string, CircuitBreaker>()
  const breaker = known.get(options.key) ?? new CircuitBreaker(options)
  breakers.set(store, known)
  // The least recently asked for goes first: a map keeps the order in which its keys came.
  known.delete(options.key)
  known.set(options.key, breaker)
  if (known.size > MOST) known.delete(known.keys().next().value ?? '')
  return breaker
}
