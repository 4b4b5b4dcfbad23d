// Where the waiters of this process wait for one store to call them.
import { quietly } from '../telemetry/index.ts'
import { attemptId } from './attempt-id.ts'
import { after, now, type Timer } from './clock.ts'
import type { Adapter, Inbox, Listening } from './ports.ts'
import { callStore, mayPass } from './store-call.ts'

/** How a waiter learns that it should claim: told by a message, found by a beat, or forgotten by the store. */
export type Call = 'message' | 'beat' | 'unknown'

const BEAT = 1_000
const BEAT_AFTER_FAILURE = 250
const BEAT_DEADLINE = 2_000
/** How long an unanswered beat is nothing to worry about. */
const SILENCE = 500
/** How long a message may be late before a beat's answer stands in for it. */
const GRACE = 25

/** One waiter of this process. */
export class Waiter {
  id: string
  readonly resource: string
  readonly key: string
  /** Whether it waits on while the store is away: its caller has said for how long. */
  readonly outlasts: boolean
  #pending: Call | Error | undefined
  #settle: ((call: Call | Error) => void) | undefined

  constructor(id: string, resource: string, key: string, outlasts: boolean) {
    this.id = id
    this.resource = resource
    this.key = key
    this.outlasts = outlasts
  }

  /** The next call, which may have come before it was waited for: a message can overtake the reply that queued us. */
  called(): Promise<Call> {
    return new Promise((resolve, reject) => {
      const settle = (call: Call | Error): void => {
        this.#pending = undefined
        this.#settle = undefined
        if (call instanceof Error) reject(call)
        else resolve(call)
      }
      if (this.#pending) settle(this.#pending)
      else this.#settle = settle
    })
  }

  /** Calls the waiter, now or when it comes to wait. */
  call(call: Call | Error): void {
    if (this.#settle) this.#settle(call)
    else this.#pending = call
  }

  /** Whether it waits and nobody has called it. */
  get waits(): boolean {
    return this.#settle !== undefined
  }
}

/** The waiters of one resource, and their beat. */
interface Queue {
  readonly resource: string
  readonly key: string
  readonly waiters: Map<string, Waiter>
  timer: Timer | undefined
  /** When the beat in flight was sent. */
  beatingSince: number | undefined
  failingSince: number | undefined
  failure: Error | undefined
}

/** What waiting needs of a store. */
type WaitingProvider = Pick<Adapter, 'grants' | 'signals' | 'deadline'>

const rooms = new WeakMap<WaitingProvider, WaitingRoom>()

/**
 * One inbox for each process and store, and one beat for each resource that somebody waits for.
 *
 * The beat keeps the waiters alive in the store and finds what a lost message would have told. Correctness never
 * depends on a message.
 */
export class WaitingRoom {
  readonly #adapter: WaitingProvider
  readonly #inboxId = attemptId()
  readonly #byId = new Map<string, Waiter>()
  readonly #queues = new Map<string, Queue>()
  #listening: Listening | undefined
  #connecting: Promise<void> | undefined
  #listenAgainAt = 0

  private constructor(adapter: WaitingProvider) {
    this.#adapter = adapter
  }

  static of(adapter: WaitingProvider): WaitingRoom {
    const room = rooms.get(adapter) ?? new WaitingRoom(adapter)
    rooms.set(adapter, room)
    return room
  }

  /** Where the store calls this process. */
  get inbox(): Inbox {
    return { id: this.#inboxId, listening: this.#listening?.live ?? false }
  }

  /** Whether the inbox was subscribed before: until then nobody has waited yet. */
  get isOpen(): boolean {
    return this.#listening !== undefined
  }

  /** Subscribes the inbox; when that fails or takes too long, waiters are found by the beat alone. */
  async open(): Promise<void> {
    if (this.#listening || now() < this.#listenAgainAt) return
    this.#connecting ??= this.#listen()
    await this.#connecting
  }

  /** Makes a waiter that can be called; it must leave. */
  enter(id: string, resource: string, key: string, outlasts: boolean): Waiter {
    const waiter = new Waiter(id, resource, key, outlasts)
    this.#byId.set(id, waiter)
    return waiter
  }

  /** How many callers of this process wait for a resource. */
  waiting(resource: string): number {
    return this.#queues.get(resource)?.waiters.size ?? 0
  }

  /** Counts the waiter among those that the beat keeps alive; `hint` is when the holder lapses at the earliest. */
  queue(waiter: Waiter, hint: number): void {
    const { resource, key } = waiter
    let queue = this.#queues.get(resource)
    if (!queue) {
      queue = {
        resource,
        key,
        waiters: new Map(),
        timer: undefined,
        beatingSince: undefined,
        failingSince: undefined,
        failure: undefined,
      }
      this.#queues.set(resource, queue)
      this.#schedule(queue, hint)
    }
    queue.waiters.set(waiter.id, waiter)
  }

  /** Gives a waiter another id, by which it is called from now on. */
  rename(waiter: Waiter, id: string): void {
    const waiters = this.#queues.get(waiter.resource)?.waiters
    this.#byId.delete(waiter.id)
    waiters?.delete(waiter.id)
    waiter.id = id
    this.#byId.set(id, waiter)
    waiters?.set(id, waiter)
  }

  /** What is wrong with the store as the waiters of a resource see it: a failed beat, or one unanswered for long. */
  trouble(resource: string): Error | undefined {
    const queue = this.#queues.get(resource)
    if (queue?.failure) return queue.failure
    if (queue?.beatingSince === undefined || now() - queue.beatingSince < SILENCE) return undefined
    return new Error(`The store has not answered for ${Math.round(now() - queue.beatingSince)} ms`)
  }

  leave(waiter: Waiter): void {
    this.#byId.delete(waiter.id)
    const queue = this.#queues.get(waiter.resource)
    if (!queue?.waiters.delete(waiter.id) || queue.waiters.size > 0) return
    queue.timer?.stop()
    this.#queues.delete(waiter.resource)
  }

  #listen(): Promise<void> {
    const listener = {
      message: (id: string) => this.#byId.get(id)?.call('message'),
      restored: () => this.#beatAll(),
    }
    const deadline = Math.min(this.#adapter.deadline, BEAT_DEADLINE)
    const { answer, underlying } = quietly(() =>
      callStore('inbox', deadline, () => this.#adapter.signals.listen(this.#inboxId, listener)),
    )
    // Kept until it settles, so that one that hangs is waited for once, and may still come.
    underlying
      .then((listening) => {
        this.#listening = listening
      })
      .catch(() => {
        // One that is refused for good must not cost every waiter a round trip.
        this.#listenAgainAt = now() + BEAT
      })
      .finally(() => {
        this.#connecting = undefined
      })
    return answer.then(
      () => {},
      () => {},
    )
  }

  #beatAll(): void {
    for (const queue of this.#queues.values()) void this.#beat(queue)
  }

  #schedule(queue: Queue, hint: number, most = BEAT): void {
    queue.timer?.stop()
    // One millisecond after the hint, so that the lapsed holder is seen as lapsed.
    const wait = hint > 0 ? Math.min(hint + 1, most) : most
    queue.timer = after(wait, () => void this.#beat(queue), 'foreground')
  }

  async #beat(queue: Queue): Promise<void> {
    if (queue.beatingSince !== undefined || queue.waiters.size === 0) return
    queue.beatingSince = now()
    const { resource, key } = queue
    const ids = [...queue.waiters.keys()]
    const deadline = Math.min(this.#adapter.deadline, BEAT_DEADLINE)
    let next: [hint: number, most: number] = [0, BEAT]
    try {
      const ask = () => this.#adapter.grants.beat(resource, this.inbox, ids)
      const reply = await quietly(() => callStore(key, deadline, ask).answer)
      queue.failingSince = undefined
      queue.failure = undefined
      next = [reply.hint, BEAT]
      for (const id of reply.unknown) queue.waiters.get(id)?.call('unknown')
      this.#callGranted(queue, reply.granted)
    } catch (error) {
      const time = now()
      queue.failingSince ??= time
      queue.failure = error as Error
      next = [0, BEAT_AFTER_FAILURE]
      const isOver = !mayPass(error)
      const isLong = time - queue.failingSince + deadline >= 2 * BEAT_DEADLINE
      for (const waiter of queue.waiters.values()) {
        if (isOver || (isLong && !waiter.outlasts)) waiter.call(error as Error)
      }
    } finally {
      queue.beatingSince = undefined
      if (this.#queues.get(resource) === queue) this.#schedule(queue, ...next)
    }
  }

  #callGranted(queue: Queue, granted: readonly string[]): void {
    if (granted.length === 0) return
    const { live } = this.#listening ?? { live: false }
    // The message is usually on its way on the other connection: a beat only stands in for a lost one.
    after(
      live ? GRACE : 0,
      () => {
        const missed = granted.filter((id) => queue.waiters.get(id)?.waits)
        for (const id of missed) queue.waiters.get(id)?.call('beat')
        if (live && missed.length > 0) this.#listening?.suspect()
      },
      'foreground',
    )
  }
}
