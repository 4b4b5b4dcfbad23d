// The scope guard: one scope for each request, which ends when its handler has ended.
import { onAbort } from '../../core/abort.ts'
import { within } from '../../core/current-scope.ts'
import { ClosedError } from '../../core/errors.ts'
import { expectBoolean, expectDuration, expectOptions } from '../../core/expect.ts'
import { timeoutPolicy } from '../../core/policies.ts'
import { inOrder } from '../../core/policy.ts'
import { expectScope, Scope } from '../../core/scope.ts'
import type { Drain } from './drain.ts'
import { expectGuardOptions, type Guard, type GuardOptions } from './guard.ts'

/** Options of `requestScope()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface RequestScopeOptions<A extends readonly unknown[]> extends GuardOptions<A> {
  /** Milliseconds after which the scope's signal aborts and the request is answered with 504; default: never. */
  readonly timeout?: number | undefined
  /** The scope that request scopes end with; default: none. */
  readonly parent?: Scope | undefined
  /**
   * Whether the scope's signal lets the client go: then only the timeout and the end of the service abort it.
   *
   * @defaultValue false
   */
  readonly detachOnDisconnect?: boolean | undefined
}

/** Makes the scope guard, whose requests `drain` counts; `told` hands the scope to the framework's own request. */
export function requestScopeGuard<A extends readonly unknown[]>(
  options: RequestScopeOptions<A>,
  drain: Drain,
  told: (scope: Scope, ...args: A) => void,
): Guard<A> {
  expectGuardOptions(expectOptions(options, 'such as `{ provider }`'))
  const { timeout } = options
  expectScope('parent', options.parent)
  const detaches = expectBoolean('detachOnDisconnect', options.detachOnDisconnect, false)
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
    concludes: false,
    enter(exchange, passage, inward) {
      const { state, args } = exchange
      const { name = 'request', provider, parent } = options
      drain.expectOpen()
      if (parent?.signal.aborted) throw ended(parent)
      if (detaches) state.letGoOfClient()
      // Before the scope hears of it: whatever ended its parent, for a request the service has ended.
      const forget = parent && onAbort(parent.signal, () => state.end(ended(parent)))
      const scope = new Scope({ name, provider, parent, signal: state.ownSignal }, 'request')
      const leave = drain.enter({
        end: (reason) => state.end(reason),
        interrupt: (reason) => passage.interrupt(reason),
      })
      state.scope = scope
      told(scope, ...args)
      return timed(passage, async ({ attempt, interrupt }) => {
        try {
          return await within(scope, () => inward({ attempt, interrupt, signal: scope.signal }))
        } finally {
          forget?.()
          // Tasks of the scope may take a while to end: the answer does not wait for them, but the service's end does.
          const disposed = scope[Symbol.asyncDispose]()
          void Promise.all([disposed, state.settled(), exchange.sent()]).then(leave)
        }
      })
    },
  }
}

function ended({ name, signal }: Scope): ClosedError {
  return new ClosedError(`The scope '${name}', which requests end with, has ended`, {
    cause: signal.reason,
  })
}
