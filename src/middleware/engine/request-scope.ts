// The scope guard: one scope for each request, which ends when its handler has ended.
import { abortError } from '../../core/abort.ts'
import { within } from '../../core/current-scope.ts'
import { expectDuration, expectOptions } from '../../core/expect.ts'
import { timeoutPolicy } from '../../core/policies.ts'
import { inOrder } from '../../core/policy.ts'
import { Scope } from '../../core/scope.ts'
import { expectGuardOptions, type Guard, type GuardOptions } from './guard.ts'

/** Options of `requestScope()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface RequestScopeOptions<A extends readonly unknown[]> extends GuardOptions<A> {
  /** Milliseconds after which the scope's signal aborts and the request is answered with 504; default: never. */
  readonly timeout?: number | undefined
  /** The scope that request scopes end with; default: none. */
  readonly parent?: Scope | undefined
}

/** Makes the scope guard; `told` hands the scope to the framework's own request. */
export function requestScopeGuard<A extends readonly unknown[]>(
  options: RequestScopeOptions<A>,
  told: (scope: Scope, ...args: A) => void,
): Guard<A> {
  expectGuardOptions(expectOptions(options, 'such as `{ provider }`'))
  const { timeout } = options
  // Outside of the scope, whose signal the timeout aborts like any other end of the request.
  const timed = inOrder({
    timeout:
      timeout === undefined
        ? undefined
        : timeoutPolicy(expectDuration('timeout', timeout), 'The request'),
  })
  return {
    kind: 'scope',
    options,
    enter({ state, args }, passage, inward) {
      const { name = 'request', provider, parent } = options
      if (parent?.signal.aborted) throw abortError(parent.signal)
      const scope = new Scope({ name, provider, parent, signal: state.ownSignal }, 'request')
      state.scope = scope
      told(scope, ...args)
      return timed(passage, async (inside) => {
        try {
          return await within(scope, () => inward({ ...inside, signal: scope.signal }))
        } finally {
          // Tasks of the scope may take a while to end: the answer does not wait for them.
          void scope[Symbol.asyncDispose]()
        }
      })
    },
  }
}
