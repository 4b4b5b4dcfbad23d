// The graceful end of a service: nothing new begins, what runs is waited for, then told, then left.
import { after, now } from '../../core/clock.ts'
import { ClosedError } from '../../core/errors.ts'
import { expectDuration, expectFunction, expectOptions } from '../../core/expect.ts'

/** What listens, as `node:http` has it. */
export interface ClosableServer {
  /** Takes no new connections, and calls back when the last one has gone. */
  close(closed?: (error?: Error) => void): unknown
  /** Closes the connections that carry no request. */
  closeIdleConnections?(): void
  /** Closes the others too. */
  closeAllConnections?(): void
}

/** Options of `drain()`. */
export interface DrainOptions {
  /** Closed once nothing runs any more, its idle connections with it. Until then it says 503 to whoever comes. */
  readonly server?: ClosableServer | undefined
  /**
   * Milliseconds that running requests are waited for; then their scopes' signals abort.
   *
   * @defaultValue 10_000
   */
  readonly timeout?: number | undefined
  /**
   * Milliseconds that those which are told to end have for it; then they are answered 503 and left. And as many that
   * connections have which the server still keeps then: those that never carried a request, and those of what is mounted
   * before `requestScope()`.
   *
   * @defaultValue 1_000
   */
  readonly grace?: number | undefined
}

/** How a drain ended. */
export interface Drained {
  /** Requests that were told to end, because they ran for longer than `timeout`. */
  readonly aborted: number
  /** Those among them that run on: what they hold is theirs until they end, or the process does. */
  readonly abandoned: number
}

/** What can be drained: the middleware of `requestScope()`. */
export interface Drainable {
  /** True from the first call of `drain()` on: new requests are answered 503. For a readiness check. */
  readonly draining: boolean
  /**
   * Ends the service in order: new requests are answered 503, running ones end, and the server closes.
   *
   * Never rejects for what requests do; a second call is the first's.
   *
   * @throws InvalidArgumentError when an option is not of the documented form
   */
  drain(options?: DrainOptions): Promise<Drained>
}

/** A request that runs, and how it is brought to its end. */
export interface Running {
  /** Aborts its signal. */
  end(reason: Error): void
  /** Answers its client in its handler's stead. */
  interrupt(reason: Error): void
}

const CLOSING = 20

/** The requests of a service, until it has ended. */
export class Drain implements Drainable {
  readonly #running = new Set<Running>()
  #told: (() => void) | undefined
  #drained: Promise<Drained> | undefined

  get draining(): boolean {
    return this.#drained !== undefined
  }

  /** Throws when the service has begun to end. */
  expectOpen(): void {
    if (this.draining) throw shuttingDown()
  }

  /** Counts a request until the function returned is called. */
  enter(running: Running): () => void {
    this.#running.add(running)
    return () => {
      this.#running.delete(running)
      if (this.#running.size === 0) this.#told?.()
    }
  }

  async drain(options: DrainOptions = {}): Promise<Drained> {
    const { server, timeout = 10_000, grace = 1_000 } = expectOptions(options, '{ server }')
    expectDuration('timeout', timeout)
    expectDuration('grace', grace)
    if (server !== undefined) expectFunction('server.close', server?.close)
    this.#drained ??= this.#drain(server, timeout, grace)
    return this.#drained
  }

  async #drain(
    server: ClosableServer | undefined,
    timeout: number,
    grace: number,
  ): Promise<Drained> {
    await this.#ended(timeout)
    const late = [...this.#running]
    const reason = shuttingDown()
    for (const request of late) request.end(reason)
    await this.#ended(grace)
    for (const request of this.#running) request.interrupt(reason)
    if (server) await closed(server, grace)
    return { aborted: late.length, abandoned: this.#running.size }
  }

  /** Resolves when nothing runs any more, or after `ms`. */
  #ended(ms: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = after(ms, resolve, 'foreground')
      this.#told = () => {
        timer.stop()
        resolve()
      }
    })
  }
}

/** A middleware that can be drained. */
export function drainable<H extends object>(handle: H, drain: Drain): H & Drainable {
  return Object.defineProperties(handle, {
    draining: { get: () => drain.draining },
    drain: { value: (options?: DrainOptions) => drain.drain(options) },
  }) as H & Drainable
}

function shuttingDown(): ClosedError {
  return new ClosedError('The service is shutting down')
}

/** Closes a server; connections that are not idle have `ms` to become so: one that never carried a request never does. */
function closed(server: ClosableServer, ms: number): Promise<void> {
  const until = now() + ms
  return new Promise((resolve) => {
    let over = false
    const end = (): void => {
      over = true
      resolve()
    }
    // One that does not listen has nothing to close.
    server.close(end)
    const sweep = (): void => {
      if (over) return
      if (now() >= until) {
        server.closeAllConnections?.()
        end()
        return
      }
      // A connection becomes idle when its answer has left, which may be after the server was told to close.
      server.closeIdleConnections?.()
      after(CLOSING, sweep, 'foreground')
    }
    sweep()
  })
}
