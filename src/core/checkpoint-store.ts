// Checkpoints at the level of an adapter: saved and read by whoever has it, without owning the task.
import { encodeCheckpoint } from './checkpoint-codec.ts'
import {
  asCheckpoint,
  type Checkpoint,
  CheckpointHistory,
  expectKeeping,
  type KeepOptions,
} from './checkpoint-history.ts'
import { expectInteger, expectNumber, expectOptions } from './expect.ts'
import type { Histories } from './ports.ts'

/**
 * What every adapter can do with the checkpoints of a task, by its name.
 *
 * Here nobody owns a task: of several workers, the one that is behind is refused. A `Checkpointer` owns it while it
 * runs; what it saves can be read here.
 */
export abstract class CheckpointStore {
  /** Where checkpoints are kept. */
  abstract readonly histories: Histories
  /** The longest that one store call may take, in milliseconds. */
  abstract readonly deadline: number

  /**
   * Saves a checkpoint; the sequence of the latest one again replaces it.
   *
   * @throws StaleCheckpointError when a greater sequence is saved already, or a `Checkpointer` has had the task
   * @throws InvalidArgumentError when the state is not JSON or too large; nothing was sent to the store
   * @throws StoreUnavailableError when the store did not answer; saving the same checkpoint again is safe
   *
   * @example
   * ```ts
   * import { MemoryAdapter } from 'holdfast'
   *
   * const adapter = new MemoryAdapter()
   * const state = { lastProcessedIndex: 100 }
   * await adapter.saveCheckpoint({ taskId: 'import', sequence: 100, timestamp: Date.now(), state })
   * const checkpoint = await adapter.loadLatestCheckpoint('import')
   * console.log(checkpoint?.state?.lastProcessedIndex ?? 0)
   * await adapter.deleteAllCheckpoints('import')
   * ```
   */
  async saveCheckpoint<S>(checkpoint: Checkpoint<S>, options: KeepOptions = {}): Promise<void> {
    const { taskId, sequence, timestamp, state, progress } = expectOptions(
      checkpoint,
      'such as `{ taskId, sequence, timestamp, state }`',
    )
    const keeping = expectKeeping(expectOptions(options, 'such as `{ keep: 10 }`'))
    const stored = {
      state,
      timestamp: expectNumber('timestamp', timestamp),
      progress: progress === undefined ? undefined : expectNumber('progress', progress, 0, 1),
    }
    const mark = { token: 0, sequence: expectSequence(sequence) }
    const history = historyOf(this, taskId)
    await history.save(encodeCheckpoint(stored, taskId, keeping.maxBytes), mark, keeping)
  }

  /**
   * The latest checkpoint of a task; undefined when there is none.
   *
   * @throws StoreCorruptError when it is not what was saved
   * @throws StoreUnavailableError when the store did not answer
   */
  // biome-ignore lint/suspicious/noExplicitAny: as in `Checkpoint`.
  async loadLatestCheckpoint<S = any>(taskId: string): Promise<Checkpoint<S> | undefined> {
    const found = await historyOf(this, taskId).load()
    return found && asCheckpoint<S>(found)
  }

  /** The checkpoint of a sequence, while it is kept. Throws as {@link CheckpointStore.loadLatestCheckpoint}. */
  // biome-ignore lint/suspicious/noExplicitAny: as in `Checkpoint`.
  async loadCheckpoint<S = any>(
    taskId: string,
    sequence: number,
  ): Promise<Checkpoint<S> | undefined> {
    const found = await historyOf(this, taskId).load(expectSequence(sequence))
    return found && asCheckpoint<S>(found)
  }

  /** The checkpoints of a task that are kept, the latest first. Throws as {@link CheckpointStore.loadLatestCheckpoint}. */
  // biome-ignore lint/suspicious/noExplicitAny: as in `Checkpoint`.
  async listCheckpoints<S = any>(taskId: string): Promise<Checkpoint<S>[]> {
    const found = await historyOf(this, taskId).list()
    return found.map((each) => asCheckpoint<S>(each))
  }

  /**
   * Forgets all but the latest `keep` checkpoints of a task; answers how many it forgot.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  async cleanupCheckpoints(taskId: string, keep: number): Promise<number> {
    return historyOf(this, taskId).trim(expectInteger('keep', keep, 0))
  }

  /**
   * Forgets a task, and who may save for it: the next checkpoint may have any sequence.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  async deleteAllCheckpoints(taskId: string): Promise<void> {
    await historyOf(this, taskId).remove()
  }
}

function historyOf(store: CheckpointStore, taskId: string): CheckpointHistory {
  return new CheckpointHistory(store, { taskId, name: 'checkpoint' })
}

function expectSequence(sequence: unknown): number {
  return expectInteger('sequence', sequence, 0, Number.MAX_SAFE_INTEGER)
}
