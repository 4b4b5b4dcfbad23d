// How an election is told: where a candidate stands, and how its terms begin and end.
import { count, level, observe, sample, type Watch } from '../telemetry/index.ts'
import { now } from './clock.ts'
import { type EventListener, emit } from './events.ts'
import { PartTelling, type Place, type WaitWatch } from './grant-telling.ts'

/** Where a candidate stands: it asks, it waits for the leader it has found, or it leads. */
export type ElectionState = 'candidate' | 'follower' | 'leader'

const STATES: readonly ElectionState[] = ['candidate', 'follower', 'leader']

/** Why a term began or ended. */
export type ElectionReason = 'elected' | 'resigned' | 'expired' | 'lost'

/** Where one candidate stands, told as it changes. */
export class Standing {
  readonly name: string
  readonly #key: string
  readonly #onEvent: EventListener | undefined
  #state: ElectionState | undefined

  constructor(name: string, key: string, onEvent: EventListener | undefined) {
    this.name = name
    this.#key = key
    this.#onEvent = onEvent
    // Each state is told of, also one that it never was in.
    for (const state of STATES) level('leader_election.status', { name, state }, 0)
  }

  /** It stands for something else now; undefined when it is no candidate any more. */
  become(state: ElectionState | undefined, reason?: ElectionReason): void {
    const { name } = this
    const previous = this.#state
    if (previous === state) return
    this.#state = state
    if (previous) level('leader_election.status', { name, state: previous }, -1)
    if (state) level('leader_election.status', { name, state }, 1)
    if (!reason || !previous || !state) return
    count('leader_election.transitions', { name, state, previous, reason })
    // A loss is told by whoever notices it, with its error.
    if (reason !== 'elected' && reason !== 'resigned') return
    emit(this.#onEvent, {
      name: 'holdfast.leader_election.changed',
      key: this.#key,
      message: reason,
    })
  }
}

/** One campaign, and the term that it leads to. */
export class TermTelling extends PartTelling {
  readonly #standing: Standing

  constructor(standing: Standing, watch: Watch<'leader_election.campaign'>) {
    super('leadership', 'holdfast.leader_election.changed', watch)
    this.#standing = standing
  }

  override wait<T>(place: Place, work: (watch: WaitWatch) => Promise<T>): Promise<T> {
    this.#standing.become('follower')
    return super.wait(place, work)
  }

  override renew<T>(work: () => Promise<T>): Promise<T> {
    return observe('leader_election.renew', { name: this.#standing.name }, work)
  }

  override hold(): (reason: string) => void {
    const since = now()
    const standing = this.#standing
    standing.become('leader', 'elected')
    return (ended) => {
      const reason = ended === 'released' ? 'resigned' : (ended as ElectionReason)
      const { name } = standing
      sample('leader_election.term.duration', { name, reason }, (now() - since) / 1000)
      standing.become('follower', reason)
    }
  }
}
