// Looks at a promise without waiting for it: what it has come to by now, if anything.

import { setImmediate as turn } from 'node:timers/promises'

export type OutcomeNow<T> =
  | { readonly state: 'pending' }
  | { readonly state: 'resolved'; readonly value: T }
  | { readonly state: 'rejected'; readonly error: unknown }

/** Resolves when everything has happened that needs no time. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<OutcomeNow<T>> {
  let outcome: OutcomeNow<T> = { state: 'pending' }
  promise.then(
    (value) => {
      outcome = { state: 'resolved', value }
    },
    (error: unknown) => {
      outcome = { state: 'rejected', error }
    },
  )
  await turn()
  return outcome
}
