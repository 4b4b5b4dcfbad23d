// One call to a store, with a deadline of its own whatever the client's patience is.
import { after } from './clock.ts'
import { isClosedError, isHoldfastError, isStoreUnavailableError } from './error-guards.ts'
import { StoreUnavailableError } from './errors.ts'
import type { Adapter } from './ports.ts'

/** A call in flight. */
export interface StoreCall<T> {
  /** The answer, or an error no later than the deadline. */
  readonly answer: Promise<T>
  /** The call itself, which may outlive the deadline and still take effect. */
  readonly underlying: Promise<T>
}

/** The deadline of a store call on behalf of a lease of `ttl` milliseconds; none for a store that cannot hang. */
export function deadlineFor({ deadline }: Pick<Adapter, 'deadline'>, ttl: number): number {
  return deadline === Number.POSITIVE_INFINITY ? deadline : Math.min(deadline, ttl / 3)
}

/** Calls the store; an answer later than `deadline` milliseconds is an outcome that is unknown. */
export function callStore<T>(key: string, deadline: number, call: () => Promise<T>): StoreCall<T> {
  const underlying = typed(key, call)
  if (deadline === Number.POSITIVE_INFINITY) return { answer: underlying, underlying }
  const answer = new Promise<T>((resolve, reject) => {
    const timer = after(
      deadline,
      () =>
        reject(
          new StoreUnavailableError(
            `The store did not answer within ${Math.round(deadline)} ms about '${key}'`,
            { key, outcome: 'unknown' },
          ),
        ),
      'foreground',
    )
    underlying.then(
      (value) => {
        timer.stop()
        resolve(value)
      },
      (error) => {
        timer.stop()
        reject(error)
      },
    )
  })
  return { answer, underlying }
}

/** Whether asking again later may help: not with a store whose client has been closed. */
export function mayPass(error: unknown): boolean {
  return isStoreUnavailableError(error) && !isClosedError(error.cause)
}

async function typed<T>(key: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (isHoldfastError(error)) throw error
    throw new StoreUnavailableError(`The store failed about '${key}'`, {
      key,
      outcome: 'unknown',
      cause: error,
    })
  }
}
