// What a cache hears of the other processes, and whether it hears anything at all.
import { quietly } from '../telemetry/index.ts'
import { type CacheNotice, readNotice } from './cache-notice.ts'
import { now } from './clock.ts'
import type { Adapter, Listening, SignalListener } from './ports.ts'
import { callStore } from './store-call.ts'

const LISTEN_AGAIN = 1_000

/** Stops listening for channels that are gone together with their caches. */
const forgotten = new FinalizationRegistry<Listening>((listening) => listening.close())

/** A subscription that is made when it is first needed, and again when it could not be had. */
export class CacheChannel implements SignalListener {
  readonly #provider: Pick<Adapter, 'signals' | 'deadline'>
  readonly #channel: string
  readonly #told: (notice: CacheNotice) => void
  readonly #restored: () => void
  #listening: Listening | undefined
  #connecting = false
  #again = 0
  #closed = false

  constructor(terms: {
    readonly provider: Pick<Adapter, 'signals' | 'deadline'>
    readonly channel: string
    told(notice: CacheNotice): void
    /** From now on nothing is missed; what came before may have been. */
    restored(): void
  }) {
    this.#provider = terms.provider
    this.#channel = terms.channel
    this.#told = (notice) => terms.told(notice)
    this.#restored = () => terms.restored()
  }

  /** Whether a change elsewhere would be heard of now, as far as is known. */
  get live(): boolean {
    return this.#listening?.live ?? false
  }

  /** Listens from now on, behind the caller; when that cannot be had, at a later call. */
  open(): void {
    if (this.#listening || this.#connecting || this.#closed || now() < this.#again) return
    this.#connecting = true
    void quietly(() => this.#listen())
  }

  /** A message was missed: see whether any still come. */
  suspect(): void {
    this.#listening?.suspect()
  }

  message(text: string): void {
    if (!this.#closed) this.#told(readNotice(text))
  }

  restored(): void {
    this.#restored()
  }

  close(): void {
    this.#closed = true
    this.#listening?.close()
    this.#listening = undefined
  }

  async #listen(): Promise<void> {
    const { signals, deadline } = this.#provider
    const listener = weakly(new WeakRef(this))
    const call = callStore(this.#channel, deadline, () => signals.listen(this.#channel, listener))
    // It may come after it was given up: then it is used all the same.
    const heard = call.underlying.then((listening) => {
      // One that came late, and was asked for again meanwhile, is one too many.
      if (this.#closed || this.#listening) return listening.close()
      this.#listening = listening
      forgotten.register(this, listening)
      this.restored()
    })
    heard.catch(() => {})
    try {
      await call.answer
      await heard
    } catch {
      this.#again = now() + LISTEN_AGAIN
    } finally {
      this.#connecting = false
    }
  }
}

/** A listener that keeps nothing: the store must not keep a cache that nobody has any more. */
function weakly(listener: WeakRef<SignalListener>): SignalListener {
  return {
    message: (text) => listener.deref()?.message(text),
    restored: () => listener.deref()?.restored(),
  }
}
