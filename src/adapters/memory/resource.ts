// One resource of the memory store: who holds it, who waits, and whose turn is next.
import type {
  BeatReply,
  GrantReply,
  GrantRequest,
  Inbox,
  Meta,
  ResourceView,
} from '../../core/ports.ts'

/** What a resource needs of the store around it. */
export interface Surroundings {
  /** Milliseconds on the store's clock. */
  now(): number
  /** A fencing token greater than every earlier one. */
  nextFence(): number
  /** Sends a message; answers whether anybody listens. */
  publish(channel: string, text: string): boolean
}

interface Share {
  readonly id: string
  readonly weight: number
  readonly capacity: number
  readonly exclusive: boolean
  readonly inbox: string
  readonly meta: Meta
}

interface Holder extends Share {
  expiry: number
  readonly token: number
  /** True from the hand-off until the holder claims. */
  unclaimed: boolean
}

interface Waiting extends Share {
  readonly arrival: number
}

interface Process {
  aliveUntil: number
  listening: boolean
}

/** How long a hand-off may stay unclaimed by a process that was called, and by one that only polls. */
const CLAIM = 1_000
const CLAIM_POLLED = 2_500
/** How long a process counts as alive after it was heard of. */
const ALIVE = 3_000
const PUMP_STEPS = 100

/** The state machine that the Redis scripts mirror. */
export class Resource {
  readonly #around: Surroundings
  readonly #holders = new Map<string, Holder>()
  readonly #processes = new Map<string, Process>()
  #queue = new Map<string, Waiting>()
  #used = 0
  #fence = 0
  #arrivals = 0
  #earliest = Number.POSITIVE_INFINITY

  constructor(around: Surroundings) {
    this.#around = around
  }

  /** Whether nothing is held and nobody waits. */
  get idle(): boolean {
    return this.#holders.size === 0 && this.#queue.size === 0
  }

  acquire(request: GrantRequest): GrantReply {
    this.#purge()
    this.#pump()
    const { id, weight, capacity, ttl, inbox } = request
    const held = this.#holders.get(id)
    if (held) return { state: 'granted', token: this.#extend(held, ttl) }
    if (!this.#queue.has(id)) {
      if (this.#queue.size === 0 && this.#used + weight <= capacity) {
        const share = { id, weight, capacity, exclusive: request.exclusive, inbox: inbox.id }
        return { state: 'granted', token: this.#hold({ ...share, meta: request.meta }, ttl, false) }
      }
      if (!request.wait) return { state: 'busy', ...this.#situation() }
      this.#enqueue(request)
    }
    this.#hear(inbox)
    const arrival = this.#queue.get(id)?.arrival
    return { state: 'queued', arrival, ...this.#situation() }
  }

  renew(id: string, ttl: number): number | undefined {
    const held = this.#holders.get(id)
    if (!held || held.expiry <= this.#around.now()) return undefined
    return this.#extend(held, ttl)
  }

  release(id: string): boolean {
    const held = this.#holders.get(id)
    const inTime = held !== undefined && held.expiry > this.#around.now()
    if (held) this.#remove(held)
    else this.#queue.delete(id)
    this.#purge()
    this.#pump()
    return inTime
  }

  beat(inbox: Inbox, ids: readonly string[]): BeatReply {
    this.#hear(inbox)
    this.#purge()
    this.#pump()
    return {
      granted: ids.filter((id) => this.#holders.get(id)?.unclaimed),
      unknown: ids.filter((id) => !this.#holders.has(id) && !this.#queue.has(id)),
      hint: this.#hint(),
    }
  }

  inspect(): ResourceView {
    this.#purge()
    const now = this.#around.now()
    return {
      holders: [...this.#holders.values()].map(
        ({ id, weight, exclusive, token, expiry, meta }) => ({
          id,
          weight,
          exclusive,
          token,
          remaining: Math.max(0, Math.ceil(expiry - now)),
          meta,
        }),
      ),
      waiters: [...this.#queue.values()].map(({ id, weight, exclusive, meta }) => ({
        id,
        weight,
        exclusive,
        meta,
      })),
    }
  }

  #hint(): number {
    return this.#holders.size === 0
      ? 0
      : Math.max(0, Math.ceil(this.#earliest - this.#around.now()))
  }

  #situation(): { hint: number; waiters: number; holder: Meta | undefined } {
    const [holder] = this.#holders.values()
    return { hint: this.#hint(), waiters: this.#queue.size, holder: holder?.meta }
  }

  #enqueue({ id, weight, capacity, exclusive, inbox, meta, arrival }: GrantRequest): void {
    const place = arrival ?? ++this.#arrivals
    this.#queue.set(id, { id, weight, capacity, exclusive, inbox: inbox.id, meta, arrival: place })
    if (arrival === undefined) return
    // Whoever comes next draws a later number, also when the store had forgotten how far it was.
    this.#arrivals = Math.max(this.#arrivals, arrival)
    // Back at the place that it had before it was forgotten.
    const inOrder = [...this.#queue].sort(([, a], [, b]) => a.arrival - b.arrival)
    this.#queue = new Map(inOrder)
  }

  #hear({ id, listening }: Inbox): void {
    this.#processes.set(id, { aliveUntil: this.#around.now() + ALIVE, listening })
  }

  #hold(share: Share, ttl: number, unclaimed: boolean): number {
    // Readers of one phase share a token, so that they do not fence each other out.
    if (share.exclusive || this.#fence === 0) this.#fence = this.#around.nextFence()
    const expiry = this.#around.now() + ttl
    this.#holders.set(share.id, { ...share, expiry, token: this.#fence, unclaimed })
    this.#used += share.weight
    this.#earliest = Math.min(this.#earliest, expiry)
    return this.#fence
  }

  #extend(held: Holder, ttl: number): number {
    held.expiry = this.#around.now() + ttl
    held.unclaimed = false
    this.#earliest = Math.min(this.#earliest, held.expiry)
    return held.token
  }

  #remove(held: Holder): void {
    this.#holders.delete(held.id)
    this.#used -= held.weight
  }

  #purge(): void {
    const now = this.#around.now()
    if (now < this.#earliest) return
    this.#earliest = Number.POSITIVE_INFINITY
    for (const held of this.#holders.values()) {
      if (held.expiry > now) {
        this.#earliest = Math.min(this.#earliest, held.expiry)
        continue
      }
      this.#remove(held)
      // Called and never came: its process is dead, and so are its other waiters.
      if (held.unclaimed) this.#processes.delete(held.inbox)
    }
  }

  #pump(): void {
    for (let step = 0; step < PUMP_STEPS; step++) {
      const { value: head } = this.#queue.values().next()
      if (!head) {
        this.#processes.clear()
        return
      }
      const process = this.#processes.get(head.inbox)
      if (!process || process.aliveUntil <= this.#around.now()) {
        this.#queue.delete(head.id)
        continue
      }
      if (this.#used + head.weight > head.capacity) return
      this.#queue.delete(head.id)
      if (!process.listening) this.#hold(head, CLAIM_POLLED, true)
      else if (this.#around.publish(head.inbox, head.id)) this.#hold(head, CLAIM, true)
      else this.#processes.delete(head.inbox)
    }
  }
}
