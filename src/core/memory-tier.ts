// The values of one cache that this process remembers; one that was not used lately is forgotten first.
import { count, level } from '../telemetry/index.ts'

/** A value that is held in memory; its times are monotonic. */
export interface Held<T = unknown> {
  readonly value: T
  /** When it was kept, at the latest. */
  readonly keptAt: number
  /** Until when nothing has to be asked. */
  readonly freshUntil: number
  /** Until when it is not stale. */
  readonly endsAt: number
  /** Until when it is better than an error. */
  readonly usableUntil: number
  /** The W3C traceparent of the load that it came from. */
  readonly traceparent: string | undefined
  /** A stale value is not looked after again before. */
  restsUntil: number
  /** Whether it was used since it was last about to be forgotten. */
  used: boolean
}

/** Why a value was forgotten. */
type Eviction = 'expired' | 'capacity' | 'invalidated'

/**
 * Values by key, in the order in which they came.
 *
 * A read only marks a value as used; who is marked when his turn has come goes to the end of the line (CLOCK). That
 * costs a read half of what moving it each time would.
 */
export class MemoryTier {
  readonly #entries = new Map<string, Held>()
  readonly #name: string
  readonly #most: number

  constructor(name: string, most: number) {
    this.#name = name
    this.#most = most
  }

  /** Looks without using it. */
  peek(key: string): Held | undefined {
    return this.#entries.get(key)
  }

  /** The value of a key, which is then used. */
  get(key: string): Held | undefined {
    const held = this.#entries.get(key)
    if (held) held.used = true
    return held
  }

  set(key: string, held: Held): void {
    if (this.#most === 0) return
    if (!this.#entries.delete(key)) this.#count(1)
    // A map keeps the order in which its keys came, and goes on to those that come meanwhile.
    for (const [oldest, { used }] of this.#entries) {
      if (this.#entries.size < this.#most) break
      if (used) this.#again(oldest)
      else this.delete(oldest, 'capacity')
    }
    this.#entries.set(key, held)
  }

  delete(key: string, reason: Eviction): void {
    if (!this.#entries.delete(key)) return
    this.#count(-1)
    count('cache.evictions', { name: this.#name, reason })
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key, 'invalidated')
  }

  #again(key: string): void {
    const held = this.#entries.get(key) as Held
    held.used = false
    this.#entries.delete(key)
    this.#entries.set(key, held)
  }

  #count(by: number): void {
    level('cache.entry.usage', { name: this.#name }, by)
  }
}
