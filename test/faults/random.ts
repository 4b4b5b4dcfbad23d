// Chance that can be had again: the same seed draws the same numbers.

export interface Random {
  /** From 0 up to, not including, 1. */
  number(): number
  /** An integer from 0 up to, not including, `most`. */
  below(most: number): number
  /** Whether something happens that happens with this probability. */
  chance(probability: number): boolean
  pick<T>(choices: readonly T[]): T
}

/** Numbers from a seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  const number = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (most: number): number => Math.floor(number() * most)
  return {
    number,
    below,
    chance: (probability) => number() < probability,
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
  }
}
