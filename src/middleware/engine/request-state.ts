// What all guards of one request share.
import { ClientDisconnectedError } from '../../core/errors.ts'
import type { LockGuard } from '../../core/lock.ts'
import type { RateDecision } from '../../core/rate-limiter.ts'
import type { Scope } from '../../core/scope.ts'
import type { Permit } from '../../core/semaphore.ts'
import { requestAnnotator } from '../../telemetry/index.ts'
import type { End } from './answer.ts'
import { Attachment } from './attachment.ts'

/** What the guards of a route tell its handler: `req.holdfast` in Express, `c.var.holdfast` in Hono. */
export interface HoldfastState {
  /** The lock that the request holds. */
  lock?: LockGuard
  /** The permit that the request holds. */
  semaphore?: Permit
  /** How the rate limit that is nearest to the handler stands; absent when its store did not answer. */
  rateLimit?: RateDecision
  /** How the idempotency key was judged; absent when the request carries none. */
  idempotency?: {
    /** The client's key. */
    readonly key: string
    /** True when the handler does not run. Only outer middlewares see it. */
    readonly replayed: boolean
    /** True when an earlier execution with this key did not record its outcome. */
    readonly recovered: boolean
  }
}

/** What all guards of one request share. */
export class RequestState {
  /** What the handler is told. */
  readonly holdfast: HoldfastState = {}
  /** The request's scope, once `requestScope()` has made one. */
  scope: Scope | undefined
  /** The guards that the request has met: one that is mounted twice on its way acts once. */
  readonly met: Set<object> = new Set()
  /** The options of guards whose store is away, and that decide within this process. */
  readonly local: Set<object> = new Set()
  /** True once a guard has made the answer itself. */
  refused = false
  /** How deep the guard is that answered in the handler's stead, and how the handler ends behind it. */
  interruption: { readonly depth: number; readonly end: Promise<End> } | undefined
  /** Tells of a guard on the request's span: the one that is active when the request meets its first guard. */
  readonly annotate: ReturnType<typeof requestAnnotator> = requestAnnotator()
  /** Why the client was answered before the handler was; undefined while it was not. */
  over: Error | undefined
  /** That the client has gone, whether it was let go or not; undefined while it was there. */
  gone: ClientDisconnectedError | undefined
  /** Keeps the runtime from ending behind the answer, where it must be asked to. */
  readonly keepAlive: ((work: Promise<unknown>) => void) | undefined
  #depth = 0
  #behind: Promise<unknown> | undefined
  #controller: AbortController | undefined
  #reason: Error | undefined
  #attached = true

  constructor(keepAlive?: (work: Promise<unknown>) => void) {
    this.keepAlive = keepAlive
  }

  /** Aborts when the work for this request should end. */
  get signal(): AbortSignal {
    return this.scope?.signal ?? this.ownSignal
  }

  /** Aborts with the client's disconnect, until that was let go, and with a timeout or a lost lease. */
  get ownSignal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      // A client that left before anybody asked may have been let go since.
      const reason = this.#reason ?? (this.#attached ? this.gone : undefined)
      if (reason) this.#controller.abort(reason)
    }
    return this.#controller.signal
  }

  /** How many middlewares with guards the request has met before. */
  nextDepth(): number {
    return this.#depth++
  }

  /** The client has gone. */
  disconnected(cause?: unknown): void {
    this.gone ??= new ClientDisconnectedError('The client disconnected before it was answered', {
      cause,
    })
    if (this.#attached) this.#controller?.abort(this.gone)
  }

  /** Lets the work go on when the client goes: its outcome will be replayed. */
  letGoOfClient(): void {
    this.#attached = false
  }

  /** Notes work that goes on behind the answer. */
  outlive(work: Promise<unknown>): void {
    const settled = work.catch(() => {})
    this.#behind = this.#behind ? Promise.all([this.#behind, settled]) : settled
    this.keepAlive?.(settled)
  }

  /** Resolves when nothing goes on behind the answer. */
  async settled(): Promise<void> {
    await this.#behind
  }

  /** Ends the work; the handler may still answer. */
  end(reason: Error): void {
    this.#reason ??= reason
    this.#controller?.abort(reason)
  }

  /** Ends the work, whether the client is there or not. */
  abort(reason: Error): void {
    this.over = reason
    this.end(reason)
  }
}

const states = new Attachment<RequestState>('holdfast.request')

/** The state of a request, by the object that the framework makes for each; `make` makes a new one. */
export function stateOf(
  request: object,
  make: () => RequestState = () => new RequestState(),
): RequestState {
  const known = states.of(request)
  if (known) return known
  const state = make()
  states.attach(request, state)
  return state
}
