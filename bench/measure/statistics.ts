// The few statistics that the tables quote: medians with their range, and ratios taken round by round.

/** The middle of what was measured, and its ends. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('Expected at least one value')
  return { median: quantile(values, 0.5), min: Math.min(...values), max: Math.max(...values) }
}

/** The value below which a share of the values lies, interpolated between neighbours. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('Expected at least one value')
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)] as number
  const above = sorted[Math.ceil(at)] as number
  return below + (above - below) * (at - Math.floor(at))
}

/** Each round's value divided by the base's of the same round, because a machine drifts between rounds. */
export function ratios(values: readonly number[], base: readonly number[]): number[] {
  if (values.length !== base.length) throw new RangeError('Expected as many values as in the base')
  return values.map((value, round) => value / (base[round] as number))
}

/** The most divided by the least: 1 is perfectly fair, Infinity when somebody got nothing. */
export function unfairness(shares: readonly number[]): number {
  if (shares.length === 0) throw new RangeError('Expected at least one share')
  return Math.max(...shares) / Math.min(...shares)
}
