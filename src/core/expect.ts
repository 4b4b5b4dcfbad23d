// What arguments must be, said in one form: Expected `ttl` to be …, got ….
import { InvalidArgumentError } from './errors.ts'
import type { Adapter } from './ports.ts'

const TEN_YEARS = 315_360_000_000
const MAX_NAME = 65_536

/** Throws an {@link InvalidArgumentError} that says what was expected and what was got. */
export function refuse(option: string, expected: string, got: unknown): never {
  throw new InvalidArgumentError(`Expected \`${option}\` to be ${expected}, got ${show(got)}`)
}

/** A positive integer of milliseconds, ten years at most. */
export function expectDuration(option: string, value: unknown): number {
  if (!isInteger(value, 1, TEN_YEARS)) {
    refuse(option, 'a positive integer of milliseconds (ten years at most)', value)
  }
  return value
}

/** Milliseconds to wait: an integer from 0 (try once), or undefined for no limit of its own. */
export function expectTimeout(option: string, value: unknown): number | undefined {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return undefined
  if (!isInteger(value, 0, TEN_YEARS)) {
    refuse(option, 'a non-negative integer of milliseconds (ten years at most)', value)
  }
  return value
}

/** Milliseconds to wait for something that is not waited for by default: an integer from 0, or `Infinity`. */
export function expectWait(option: string, value: unknown): number {
  if (value === undefined) return 0
  return expectTimeout(option, value) ?? Number.POSITIVE_INFINITY
}

/** An integer from `least` up to `most`. */
export function expectInteger(option: string, value: unknown, least = 1, most = 1e6): number {
  if (!isInteger(value, least, most)) {
    refuse(option, `an integer from ${least} to ${most}`, value)
  }
  return value
}

/** A share: a number above 0, 1 at most. */
export function expectRatio(option: string, value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    refuse(option, 'a number above 0 and at most 1', value)
  }
  return value
}

/** A number from `least` up to `most`; without bounds, any finite one. */
export function expectNumber(
  option: string,
  value: unknown,
  least: number = -Number.MAX_VALUE,
  most: number = Number.MAX_VALUE,
): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    const range =
      least === -Number.MAX_VALUE ? 'a finite number' : `a number from ${least} to ${most}`
    refuse(option, range, value)
  }
  return value
}

/** A short name that is part of others: 1 to 48 letters, digits, `.`, `_` or `-`. */
export function expectShortName(option: string, value: unknown): string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9._-]{1,48}$/.test(value)) {
    refuse(option, '1 to 48 letters, digits, `.`, `_` or `-`', value)
  }
  return value
}

/** A name: a well-formed, non-empty string of 64 kB at most. */
export function expectName(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') refuse(option, 'a non-empty string', value)
  if (!isWellFormed(value)) {
    refuse(option, 'a well-formed string (no lone surrogates: they would alias another key)', value)
  }
  // No character takes more than three bytes for each of its units: what is short is not counted.
  if (value.length > MAX_NAME / 3 && new TextEncoder().encode(value).length > MAX_NAME) {
    refuse(option, 'at most 64 kB long', `${value.length} characters`)
  }
  return value
}

/** One of a closed set of values. */
export function expectOneOf<T extends string>(
  option: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (!(allowed as readonly unknown[]).includes(value)) {
    refuse(option, `one of ${allowed.map((one) => `'${one}'`).join(', ')}`, value)
  }
  return value as T
}

/** True or false, or undefined for the default. */
export function expectBoolean(option: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') refuse(option, 'true or false', value)
  return value
}

/** A function. */
export function expectFunction<F>(option: string, value: F): F {
  if (typeof value !== 'function') refuse(option, 'a function', value)
  return value
}

/** An AbortSignal, or undefined. */
export function expectSignal(option: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function') {
    refuse(option, 'an AbortSignal', value)
  }
  return value as AbortSignal
}

const PORTS = ['grants', 'records', 'histories', 'rates', 'counts', 'signals'] as const

/** A store adapter with every port, or undefined. */
export function expectAdapter(option: string, value: Adapter | undefined): Adapter | undefined {
  return expectProvider(option, value, PORTS)
}

/** A store adapter with some ports, or undefined. */
export function expectProvider<A>(option: string, value: A, ports: readonly string[]): A {
  if (value === undefined) return value
  for (const port of ports) {
    if (typeof (value as Record<string, unknown> | null)?.[port] !== 'object') {
      refuse(option, 'a store adapter, such as `new RedisAdapter(redis)`', value)
    }
  }
  return value
}

/** Options: an object, or undefined where they may be left out. */
export function expectOptions<O extends object>(value: O | undefined, example: string): O {
  if (typeof value !== 'object' || value === null) refuse('options', `an object, ${example}`, value)
  return value
}

function isInteger(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}

function isWellFormed(value: string & { isWellFormed?: () => boolean }): boolean {
  // Missing from the oldest runtimes that are supported.
  if (value.isWellFormed) return value.isWellFormed()
  try {
    encodeURIComponent(value)
    return true
  } catch {
    return false
  }
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 128))
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : 'an object'
  }
  return typeof value === 'bigint' ? `${value}n` : String(value)
}
