// What happens behind a caller's back, told to a listener that can do no harm.

/** Something that happened in the background; `name` is an OpenTelemetry event name. */
export interface HoldfastEvent {
  readonly name:
    | 'holdfast.lock.lost'
    | 'holdfast.semaphore.lost'
    | 'holdfast.checkpoint.lost'
    | 'holdfast.leader_election.changed'
    | 'holdfast.leader_election.overrun'
    | 'holdfast.circuit_breaker.state_changed'
    | 'holdfast.release.failed'
    | 'holdfast.idempotency.record_lost'
    | 'holdfast.idempotency.commit_failed'
    | 'holdfast.cache.refresh.exception'
    | 'holdfast.cache.fail_open'
    | 'holdfast.cache.not_kept'
    | 'holdfast.scope.overrun'
    | 'holdfast.store.memory_only'
    | 'holdfast.store.warning'
    | 'holdfast.guard.fail_open'
    | 'holdfast.guard.warning'
    | 'holdfast.callback.failed'
  /** The key that it concerns, where there is one. */
  readonly key?: string | undefined
  readonly error?: unknown
  readonly message?: string | undefined
}

/** A function that is told of events; what it throws is swallowed. */
export type EventListener = (event: HoldfastEvent) => void

/** Tells a listener of an event; a listener that throws or rejects changes nothing. */
export function emit(listener: EventListener | undefined, event: HoldfastEvent): void {
  // A listener's own fault is its own; there is nobody left to tell.
  if (listener)
    harmless(
      () => listener(event),
      () => {},
    )
}

/** Calls a function of the user's that nobody waits for; that it throws or rejects is told, and changes nothing. */
export function callBack(
  call: () => unknown,
  { key, onEvent }: { readonly key: string; readonly onEvent: EventListener | undefined },
): void {
  harmless(call, (error) => emit(onEvent, { name: 'holdfast.callback.failed', key, error }))
}

function harmless(call: () => unknown, failed: (error: unknown) => void): void {
  try {
    Promise.resolve(call()).catch(failed)
  } catch (error) {
    failed(error)
  }
}
