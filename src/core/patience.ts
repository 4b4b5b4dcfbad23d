// How long a caller will wait: until its timeout or until a signal aborts, whichever is first.
import { abortError, onAbort } from './abort.ts'
import { after } from './clock.ts'

/** What ends a wait. */
export interface Limits {
  /** Milliseconds; undefined waits until a signal aborts. */
  readonly timeout: number | undefined
  readonly signals: readonly (AbortSignal | undefined)[]
}

/** The end of a caller's patience, as a promise that only ever rejects. */
export class Patience {
  readonly #end: Promise<never> | undefined
  #stops: (() => void)[] | undefined

  /** Starts the clock; throws at once when a signal is aborted already. */
  constructor({ timeout, signals }: Limits, key: string, timedOut: () => Error) {
    let endless = !timeout
    for (const signal of signals) {
      if (signal?.aborted) throw abortError(signal, key)
      if (signal) endless = false
    }
    // Most acquires are: they make nothing that would have to be taken back.
    if (endless) return
    const stops: (() => void)[] = []
    this.#stops = stops
    this.#end = new Promise<never>((_resolve, reject) => {
      if (timeout) stops.push(after(timeout, () => reject(timedOut()), 'foreground').stop)
      for (const signal of signals) {
        if (signal) stops.push(onAbort(signal, () => reject(abortError(signal, key))))
      }
    })
    this.#end.catch(() => {})
  }

  /** The promise's result, unless patience ends first. */
  within<T>(promise: Promise<T>): Promise<T> {
    return this.#end ? Promise.race([promise, this.#end]) : promise
  }

  /** Stops the clock and takes the listeners back. */
  end(): void {
    for (const stop of this.#stops?.splice(0) ?? []) stop()
  }
}

/** Patience that a signal alone can end. */
export function untilAborted(signal: AbortSignal | undefined, key: string): Patience {
  const timedOut = (): Error => new Error('It has no timeout')
  return new Patience({ timeout: undefined, signals: [signal] }, key, timedOut)
}
