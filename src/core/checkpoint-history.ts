// The checkpoints of one task: written and read as entries of its history, by whoever has which token.
import { observe, sample } from '../telemetry/index.ts'
import {
  decodeCheckpoint,
  type EncodedCheckpoint,
  type StoredCheckpoint,
} from './checkpoint-codec.ts'
import { StaleCheckpointError } from './errors.ts'
import { expectDuration, expectInteger, expectName } from './expect.ts'
import type { Adapter, Histories, HistoryEntry, HistoryMark, HistoryReply, Meta } from './ports.ts'
import { callStore } from './store-call.ts'

/** What keeping checkpoints needs of a store. */
export type HistoryProvider = Pick<Adapter, 'histories' | 'deadline'>

/** How long checkpoints are kept, and how many and how large. */
export interface KeepOptions {
  /**
   * How many checkpoints of the task are kept, the latest included.
   *
   * @defaultValue 10
   */
  readonly keep?: number | undefined
  /**
   * Milliseconds that they are kept after the latest one was saved.
   *
   * @defaultValue 2_592_000_000 (30 days)
   */
  readonly ttl?: number | undefined
  /**
   * Bytes of JSON that one may have; a larger one is refused.
   *
   * @defaultValue 1_048_576
   */
  readonly maxBytes?: number | undefined
}

/** {@link KeepOptions}, checked and complete. */
export type Keeping = { readonly [K in keyof KeepOptions]-?: number }

/** Checks how checkpoints are to be kept. */
export function expectKeeping({
  keep = 10,
  ttl = 2_592_000_000,
  maxBytes = 1_048_576,
}: KeepOptions): Keeping {
  return {
    keep: expectInteger('keep', keep),
    ttl: expectDuration('ttl', ttl),
    maxBytes: expectInteger('maxBytes', maxBytes, 1, 2 ** 29),
  }
}

/** A saved step of a long task. */
// biome-ignore lint/suspicious/noExplicitAny: what a state is only its task knows, and asking for it must not need a cast.
export interface Checkpoint<S = any> {
  readonly taskId: string
  /** Its place among the task's checkpoints: a later one has a greater number. */
  readonly sequence: number
  /** When it was saved, in milliseconds since the epoch, as its worker says; for show. */
  readonly timestamp: number
  /** Whatever is needed to go on from here; what is read back went through JSON. */
  readonly state: S
  /** How much is done, from 0 to 1. */
  readonly progress?: number | undefined
}

/** A checkpoint as it is found in its history. */
export interface FoundCheckpoint extends StoredCheckpoint {
  readonly taskId: string
  readonly sequence: number
  readonly meta: Meta
}

/** A checkpoint as users see it. */
export function asCheckpoint<S>(found: FoundCheckpoint): Checkpoint<S> {
  const { taskId, sequence, timestamp, state, progress } = found
  return { taskId, sequence, timestamp, state: state as S, progress }
}

/** The name of a task's history and, in telemetry, of the task. */
export interface TaskNames {
  readonly taskId: string
  /** The low-cardinality name of the task in spans and metrics. */
  readonly name: string
}

/** Reads and writes the checkpoints of one task. */
export class CheckpointHistory {
  readonly #provider: HistoryProvider
  readonly #taskId: string
  readonly #name: string
  readonly #history: string

  constructor(provider: HistoryProvider, { taskId, name }: TaskNames) {
    this.#provider = provider
    this.#taskId = expectName('taskId', taskId)
    this.#name = name
    this.#history = `checkpoint:${taskId}`
  }

  /**
   * Takes the task over for the worker with this token, and reads its latest checkpoint in the same step.
   *
   * @throws StaleCheckpointError when a worker with a greater token was there before
   */
  async open(token: number, ttl: number): Promise<FoundCheckpoint | undefined> {
    const reply = await this.#call((histories) => histories.open(this.#history, token, ttl))
    const { latest } = this.#expectCurrent(reply, token, -1)
    return latest && this.#found(latest)
  }

  /**
   * Saves a checkpoint; the store decides whether it comes too late.
   *
   * @throws StaleCheckpointError when it does
   */
  save(
    { text, size }: EncodedCheckpoint,
    { token, sequence }: HistoryMark,
    { keep, ttl }: Keeping,
  ): Promise<void> {
    const facts = { name: this.#name, operation: 'save', sequence, size } as const
    return observe('checkpoint.save', facts, async ({ traceparent }) => {
      const request = {
        history: this.#history,
        token,
        sequence,
        value: text,
        keep,
        ttl,
        meta: { traceparent },
      }
      const reply = await this.#call((histories) => histories.append(request))
      this.#expectCurrent(reply, token, sequence)
      sample('checkpoint.payload.size', { name: this.#name }, size)
    })
  }

  /** The checkpoint of a sequence, or the latest one. */
  load(sequence?: number): Promise<FoundCheckpoint | undefined> {
    const facts = { name: this.#name, operation: 'load' } as const
    return observe('checkpoint.load', facts, async (watch) => {
      const entry = await this.#call((histories) => histories.read(this.#history, sequence))
      if (!entry) return undefined
      watch.note({ sequence: entry.sequence })
      watch.link(entry.meta.traceparent)
      return this.#found(entry)
    })
  }

  /** All checkpoints that are kept, the latest first. */
  list(): Promise<FoundCheckpoint[]> {
    const facts = { name: this.#name, operation: 'load' } as const
    return observe('checkpoint.load', facts, async () => {
      const entries = await this.#call((histories) => histories.list(this.#history))
      return entries.map((entry) => this.#found(entry))
    })
  }

  /** Forgets all but the latest `keep` checkpoints, and not who may save; answers how many it forgot. */
  trim(keep: number): Promise<number> {
    return this.#delete((histories) => histories.trim(this.#history, keep))
  }

  /** Forgets all checkpoints, and who may save. */
  async remove(): Promise<void> {
    await this.#delete((histories) => histories.remove(this.#history))
  }

  #delete<T>(call: (histories: Histories) => Promise<T>): Promise<T> {
    const facts = { name: this.#name, operation: 'delete' } as const
    return observe('checkpoint.delete', facts, () => this.#call(call))
  }

  #call<T>(call: (histories: Histories) => Promise<T>): Promise<T> {
    const { deadline, histories } = this.#provider
    return callStore(this.#taskId, deadline, () => call(histories)).answer
  }

  #found({ sequence, value, meta }: HistoryEntry): FoundCheckpoint {
    const taskId = this.#taskId
    return { ...decodeCheckpoint(value, taskId), taskId, sequence, meta }
  }

  #expectCurrent<T>(reply: HistoryReply<T>, token: number, sequence: number): T {
    if (reply.state === 'current') return reply
    const { current } = reply
    const why =
      current.token > token
        ? 'another worker has taken the task over'
        : `checkpoint ${current.sequence} was saved before, and this is ${sequence}`
    throw new StaleCheckpointError(`A checkpoint of '${this.#taskId}' came too late: ${why}`, {
      key: this.#taskId,
      current,
    })
  }
}
