// Giving back what a given-up call may have taken: a late grant, a queued request, a late claim.
import { quietly } from '../telemetry/index.ts'
import { now, pause } from './clock.ts'
import { isStoreUnavailableError } from './error-guards.ts'
import { type EventListener, emit } from './events.ts'
import { callStore } from './store-call.ts'

const RETRY_LEAST = 100
const RETRY_MOST = 2_000
/** How long a command of a broken connection may take to arrive at a store that answers again. */
const STRAGGLER = 1_000

/** What is to be given back, and how. */
export interface Taken {
  readonly key: string
  /** Gives it back; harmless when it was never taken. */
  readonly giveBack: () => Promise<unknown>
  /** The deadline of one call, in milliseconds. */
  readonly deadline: number
  /** How long to try, in milliseconds: until the store forgets it by itself. */
  readonly lasts: number
  readonly onEvent: EventListener | undefined
}

/** Whether a failed call certainly changed nothing in the store. */
export function hadNoEffect(error: unknown): boolean {
  return isStoreUnavailableError(error) && error.outcome === 'none'
}

/**
 * Gives back in the background, once the call that may have taken it has settled.
 *
 * It waits for that call, because two connections may reorder the two. When the call has failed, what was sent may
 * still be on its way, and arrive after it was given back: then it is given back a second time, a little later. It
 * tries for as long as what was taken lasts; what never settles is ended by its ttl.
 */
export async function undo(taken: Taken, pending?: Promise<unknown>): Promise<void> {
  let underWay = false
  try {
    await pending
  } catch (error) {
    if (hadNoEffect(error)) return
    underWay = true
  }
  const given = await giveBack(taken)
  if (!given || !underWay) return
  await pause(STRAGGLER)
  await giveBack(taken)
}

/** Whether the store has taken it back before it would have ended by itself. */
async function giveBack({ key, giveBack, deadline, lasts, onEvent }: Taken): Promise<boolean> {
  const until = now() + lasts
  for (let wait = RETRY_LEAST; ; wait = Math.min(wait * 2, RETRY_MOST)) {
    try {
      await quietly(() => callStore(key, deadline, giveBack).answer)
      return true
    } catch (error) {
      if (now() + wait >= until) {
        emit(onEvent, { name: 'holdfast.release.failed', key, error })
        return false
      }
    }
    await pause(wait)
  }
}
