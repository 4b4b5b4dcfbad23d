// Waiting for the execution of another caller to end: the store is asked again, with growing pauses.
import { now } from './clock.ts'
import { untilAborted } from './patience.ts'
import type { Adapter, BeginReply } from './ports.ts'
import { sleep } from './sleep.ts'

const FIRST_PAUSE = 50
const LONGEST_PAUSE = 1_000
/** Each asks again and again: a client with one key and many connections must not become a load on the store. */
const MOST_WAITERS = 100

/** Who waits, for what, and for how long. */
export interface ExecutionWait {
  readonly provider: Pick<Adapter, 'records'>
  readonly key: string
  readonly record: string
  /** Milliseconds. */
  readonly wait: number
  readonly signal: AbortSignal | undefined
}

const waiting = new WeakMap<object, Map<string, number>>()

/** Asks until nobody executes the key any more or `wait` is over, and answers the last reply. */
export async function awaitExecution(
  { provider, key, record, wait, signal }: ExecutionWait,
  running: BeginReply,
  ask: () => Promise<BeginReply>,
): Promise<BeginReply> {
  // The clock is looked at between two pauses.
  const patience = untilAborted(signal, key)
  const leave = enter(provider, record)
  const until = now() + wait
  let reply = running
  try {
    if (!leave) return running
    for (
      let pause = FIRST_PAUSE;
      reply.state === 'running';
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    ) {
      const left = until - now()
      if (left <= 0) return reply
      // Waiters that came together do not ask together.
      await sleep(Math.min(pause / 2 + (Math.random() * pause) / 2, left), patience)
      reply = await ask()
    }
    return reply
  } finally {
    patience.end()
    leave?.()
  }
}

/** Counts a waiter; undefined when as many as may be wait for the record already. */
function enter(provider: object, record: string): (() => void) | undefined {
  const counts = waiting.get(provider) ?? new Map<string, number>()
  waiting.set(provider, counts)
  const count = counts.get(record) ?? 0
  if (count >= MOST_WAITERS) return undefined
  counts.set(record, count + 1)
  return () => {
    const left = (counts.get(record) ?? 1) - 1
    if (left === 0) counts.delete(record)
    else counts.set(record, left)
  }
}
