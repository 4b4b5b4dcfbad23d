// Rounds in which every contestant is measured once, so that what the machine does meanwhile hits all alike.

/** One that is measured once in every round. */
export interface Contestant<T> {
  readonly name: string
  measure(): Promise<T>
}

/** What each measured, round by round; a first round warms up and does not count. */
export async function interleave<T>(
  contestants: readonly Contestant<T>[],
  rounds: number,
): Promise<Map<string, T[]>> {
  const measured = new Map<string, T[]>(contestants.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const { name, measure } of contestants) {
      const value = await measure().catch((cause: unknown) => {
        throw new Error(`${name} failed`, { cause })
      })
      if (round > 0) measured.get(name)?.push(value)
    }
  }
  return measured
}
