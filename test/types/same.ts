// Says of two types that they are one: a compile error otherwise.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `same<A, B>(true)` compiles when A and B are the same type. */
export function same<A, B>(_same: Same<A, B>): void {}
