// Owning something for as long as one works on it: one at a time, with a fencing token, and a history behind it.
import { acquire, type Granted, type Wanted } from './acquire.ts'
import { defaultAdapter } from './default-adapter.ts'
import { expectProvider } from './expect.ts'
import { Guard, type GuardTerms } from './guard.ts'
import { providerOf } from './lifetime.ts'
import type { Limits } from './patience.ts'
import type { Adapter } from './ports.ts'

/** What {@link Checkpointer} and {@link LeaderElection} need of a store. */
export type OwnershipProvider = Pick<
  Adapter,
  'grants' | 'histories' | 'signals' | 'transactions' | 'deadline' | 'onEvent'
>

/** The store of what is owned: given, that of the scope behind the signal, or the memory of this process. */
export function ownershipProvider(
  given: OwnershipProvider | undefined,
  signal: AbortSignal | undefined,
): OwnershipProvider {
  const provider = given ?? providerOf(signal)
  return (
    expectProvider('provider', provider, ['grants', 'histories', 'signals']) ?? defaultAdapter()
  )
}

/** Something owned. */
export class Ownership extends Guard {
  /** Greater than that of every owner before. */
  readonly fencingToken: number

  constructor(wanted: Wanted, granted: Granted, terms: GuardTerms) {
    super(wanted, granted, terms)
    this.fencingToken = granted.token
  }
}

/** What is to be owned, and how. */
export type OwnershipTerms = Pick<Wanted, 'kind' | 'key' | 'ttl' | 'owner' | 'telling'> & {
  readonly provider: OwnershipProvider
} & Partial<GuardTerms>

const MOST_WAITERS = 10_000

/** Waits for one's turn to own something; undefined when somebody owns it and `timeout` is 0. */
export async function own(
  { provider, kind, key, ttl, owner, telling, ...terms }: OwnershipTerms,
  limits: Limits,
): Promise<Ownership | undefined> {
  const wanted: Wanted = {
    adapter: provider,
    kind,
    key,
    ttl,
    owner,
    telling,
    weight: 1,
    capacity: 1,
    exclusive: true,
    maxWaiters: MOST_WAITERS,
  }
  const granted = await acquire(wanted, limits)
  return granted && new Ownership(wanted, granted, { autoExtend: true, over: () => {}, ...terms })
}
