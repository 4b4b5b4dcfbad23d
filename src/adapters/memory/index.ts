// The memory store: a full store for one process, and the test double of the others.
import { CheckpointStore } from '../../core/checkpoint-store.ts'
import type {
  Adapter,
  Counts,
  EventListener,
  Grants,
  Histories,
  Rates,
  Records,
  Signals,
} from '../../core/ports.ts'
import { MemoryCounts } from './counts.ts'
import { MemoryGrants } from './grants.ts'
import { MemoryHistories } from './histories.ts'
import { MemoryRates } from './rates.ts'
import { MemoryRecords } from './records.ts'
import { MemorySignals } from './signals.ts'

/** Options of a {@link MemoryAdapter}. */
export interface MemoryAdapterOptions {
  /**
   * Milliseconds on a clock that never steps back.
   *
   * @defaultValue `performance.now`
   */
  readonly clock?: (() => number) | undefined
  /** Told of lost leases and other background faults. */
  readonly onEvent?: EventListener | undefined
}

/**
 * A store in the memory of this process, with the semantics of the others; it protects one process only.
 *
 * @example
 * ```ts
 * import { Lock, MemoryAdapter } from 'holdfast'
 *
 * const provider = new MemoryAdapter()
 * const first = new Lock(undefined, { provider, key: 'job' })
 * const second = new Lock(undefined, { provider, key: 'job' })
 * const guard = await first.acquire()
 * console.log(await second.tryAcquire())
 * await guard.release()
 * ```
 */
export class MemoryAdapter extends CheckpointStore implements Adapter {
  /** Locks and permits. */
  readonly grants: Grants
  /** Idempotent calls and cached values. */
  readonly records: Records
  /** Checkpoints and terms of leaders. */
  readonly histories: Histories
  /** Rate limits. */
  readonly rates: Rates
  /** Circuit breakers. */
  readonly counts: Counts
  /** Messages between waiters. */
  readonly signals: Signals
  /** Memory answers at once: no call needs a deadline. */
  readonly deadline: number = Number.POSITIVE_INFINITY
  /** Told of lost leases and other background faults. */
  readonly onEvent: EventListener | undefined

  /** Makes an empty store. */
  constructor({ clock = () => performance.now(), onEvent }: MemoryAdapterOptions = {}) {
    super()
    const signals = new MemorySignals()
    const publish = (channel: string, text: string): boolean => signals.publish(channel, text)
    this.grants = new MemoryGrants(clock, publish)
    this.records = new MemoryRecords(clock, publish)
    this.histories = new MemoryHistories(clock)
    this.rates = new MemoryRates(clock)
    this.counts = new MemoryCounts(clock, publish)
    this.signals = signals
    this.onEvent = onEvent
  }

  /** Does nothing: memory is always connected. */
  async connect(): Promise<void> {}

  /** Always true. */
  isConnected(): boolean {
    return true
  }

  /** Does nothing: there is no connection to close. */
  async disconnect(): Promise<void> {}
}
