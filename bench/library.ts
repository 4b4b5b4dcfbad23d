// What a library brings to the benchmarks: one file in `libraries/` names it and says what it can do.

import { readdirSync } from 'node:fs'
import type { RequestHandler } from 'express'
import type { MiddlewareHandler } from 'hono'

/** Something made for a measurement, and how it ends. */
export interface Opened<T> {
  readonly use: T
  close(): unknown
}

/** Makes something on a store; `url` is empty for memory. */
export type Open<T> = (url: string) => Opened<T> | Promise<Opened<T>>

type OnStores<T> = { readonly [S in Store]?: Open<T> }

export type Store = 'memory' | 'redis' | 'postgres'
export type Framework = 'express' | 'hono'

/** Takes something, waiting for it as long as it takes; the function returned gives it back. */
export type Acquire = () => Promise<() => unknown>

/** What libraries may be compared in; each takes the best way that its documentation shows. */
export interface Disciplines {
  readonly locks?: OnStores<(key: string) => Acquire>
  readonly semaphores?: OnStores<(key: string, limit: number) => Acquire>
  /** A limit of `RATE_LIMIT` per `RATE_WINDOW`, which is never reached. */
  readonly limiters?: OnStores<(key: string) => unknown>
  /** A breaker around a call. */
  readonly breakers?: OnStores<(work: () => Promise<void>) => Promise<unknown>>
  /** A cache that answers from memory, or, named by its store, always from the store. */
  readonly caches?: OnStores<(key: string, load: () => Promise<string>) => unknown>
  /** A cache with both tiers, whose loads are shared between processes if the library can. */
  readonly stampedes?: OnStores<(key: string, load: () => Promise<string>) => unknown>
  readonly idempotency?: Middlewares
  readonly rateLimits?: { readonly memory?: Middlewares; readonly redis?: Middlewares }
}

/** Middlewares of the two frameworks, on Redis unless said otherwise. */
export interface Middlewares {
  readonly express?: Open<RequestHandler>
  readonly hono?: Open<MiddlewareHandler>
}

/** Which of a library's middlewares. */
export type Guard = readonly ['idempotency'] | readonly ['rateLimits', 'memory' | 'redis']

/** The middlewares of that kind, where the library has them. */
export function guarding(library: Library, [discipline, store]: Guard): Middlewares | undefined {
  return discipline === 'idempotency' ? library.idempotency : library.rateLimits?.[store]
}

export interface Library extends Disciplines {
  readonly name: string
  /** It is about hand-offs: left out where nobody waits. */
  readonly waitsOnly?: true
}

export const RATE_LIMIT = 100_000_000
export const RATE_WINDOW = 60_000
export const LOCK_TTL = 30_000

/** The least that any implementation could do. */
export const FLOOR = 'floor'
export const OURS = 'holdfast'

/** Everything that a file in `libraries/` exports: the floor first, ours second, then by name. */
export async function libraries(): Promise<Library[]> {
  const folder = new URL('libraries/', import.meta.url)
  const modules = await Promise.all(
    readdirSync(folder)
      .toSorted()
      .map((file): Promise<Record<string, Library>> => import(new URL(file, folder).href)),
  )
  const all = modules.flatMap((module) => Object.values(module))
  const rank = ({ name }: Library): number => [FLOOR, OURS].indexOf(name) + 1 || 3
  return all.toSorted((a, b) => rank(a) - rank(b))
}

/** The library of a name. */
export async function library(name: string): Promise<Library> {
  const found = (await libraries()).find((each) => each.name === name)
  if (!found) throw new Error(`Expected a library named '${name}' in bench/libraries`)
  return found
}
