// What candidates believed of who leads and when, on the one monotonic clock of the machine, and whether two did at once.

import { readFileSync, writeSync } from 'node:fs'

/** A time during which somebody certainly believed to lead, in nanoseconds. */
export interface Belief {
  readonly who: string
  readonly token: number
  readonly from: bigint
  readonly to: bigint
}

/**
 * Writes down that `ask` said yes, and between which two moments; to the file at once, so that it outlives the process.
 *
 * `process.hrtime` is CLOCK_MONOTONIC, which all processes of a machine share.
 */
export function witness(file: number, token: number, ask: () => boolean): void {
  const before = process.hrtime.bigint()
  if (!ask()) return
  writeSync(file, `${token} ${before} ${process.hrtime.bigint()}\n`)
}

/**
 * The beliefs that one candidate's file gives evidence of.
 *
 * Each line is a yes somewhere between two moments. A belief in one term never comes back once it is gone, so between
 * its first and its last yes it was there all the time: from the end of the first to the begin of the last.
 */
export function beliefsOf(who: string, path: string): Belief[] {
  const terms = new Map<number, Belief>()
  // The last line may be half written.
  for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
    const [token = '', before = '', after = ''] = line.split(' ')
    const term = Number(token)
    const from = terms.get(term)?.from ?? BigInt(after)
    terms.set(term, { who, token: term, from, to: BigInt(before) })
  }
  return [...terms.values()].filter(({ from, to }) => from <= to)
}

/** Every two beliefs of different terms that there were at one time. */
export function overlaps(beliefs: readonly Belief[]): [Belief, Belief][] {
  const inOrder = beliefs.toSorted((a, b) => (a.from < b.from ? -1 : 1))
  return inOrder.flatMap((one, at) =>
    inOrder
      .slice(at + 1)
      .filter((other) => other.from <= one.to)
      .map((other): [Belief, Belief] => [one, other]),
  )
}

/** The terms, in the order in which they were believed in. */
export function termsOf(beliefs: readonly Belief[]): number[] {
  return beliefs.toSorted((a, b) => (a.from < b.from ? -1 : 1)).map(({ token }) => token)
}
