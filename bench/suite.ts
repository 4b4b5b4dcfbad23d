// What a suite is: one file in `suites/` that measures and draws a few tables.

import { readdirSync } from 'node:fs'
import {
  type Disciplines,
  FLOOR,
  type Library,
  libraries,
  library,
  type Open,
  type Opened,
  OURS,
} from './library.ts'
import { interleave } from './measure/interleave.ts'
import type { Row, Table } from './measure/table.ts'
import type { Bound } from './measure/targets.ts'

/** What a suite is given. */
export interface Bench {
  readonly rounds: number
  /** Milliseconds of one measurement. */
  readonly ms: number
  /** URLs of servers that the run may load as it likes; started when first asked for. */
  redis(): Promise<string>
  postgres(): Promise<string>
}

export interface Suite {
  readonly name: string
  /** What ours must bring for the suite to be among those that run when none is asked for. */
  readonly needs?: keyof Disciplines
  run(bench: Bench): AsyncIterable<Table>
}

/** Every suite whose name starts with one of those asked for, or all in which ours takes part. */
export async function suites(asked: readonly string[]): Promise<Suite[]> {
  const folder = new URL('suites/', import.meta.url)
  const modules = await Promise.all(
    readdirSync(folder)
      .toSorted()
      .map((file): Promise<{ suite: Suite }> => import(new URL(file, folder).href)),
  )
  const all = modules.map(({ suite }) => suite)
  for (const name of asked) {
    if (!all.some((suite) => suite.name.startsWith(name))) {
      throw new Error(`Expected one of ${all.map((suite) => suite.name).join(', ')}, got '${name}'`)
    }
  }
  const ours = await library(OURS)
  return asked.length === 0
    ? all.filter(({ needs }) => needs === undefined || ours[needs] !== undefined)
    : all.filter(({ name }) => asked.some((prefix) => name.startsWith(prefix)))
}

/** One that was opened for a table. */
export interface Entrant<T> {
  readonly name: string
  readonly use: T
}

/** Opens what the libraries bring, and closes it after the work. */
export async function withEntrants<T, R>(
  url: string,
  brings: (library: Library) => Open<T> | undefined,
  work: (entrants: readonly Entrant<T>[]) => Promise<R>,
): Promise<R> {
  const opened: (Opened<T> & { readonly name: string })[] = []
  try {
    for (const library of await libraries()) {
      const open = brings(library)
      if (open) opened.push({ ...(await open(url)), name: library.name })
    }
    return await work(opened)
  } finally {
    for (const { close } of opened) await close()
  }
}

/** Opens something for each library that is let in, all at once, for as long as the work takes. */
export async function withNames<T, R>(
  letsIn: (library: Library) => boolean,
  open: (name: string, run: (use: T) => Promise<R>) => Promise<R>,
  work: (entrants: readonly Entrant<T>[]) => Promise<R>,
): Promise<R> {
  const names = (await libraries()).filter(letsIn).map(({ name }) => name)
  const next = (entrants: readonly Entrant<T>[]): Promise<R> => {
    const name = names[entrants.length]
    return name === undefined
      ? work(entrants)
      : open(name, (use) => next([...entrants, { name, use }]))
  }
  return next([])
}

/** Measures the entrants of one table in interleaved rounds. */
export async function table<T>(
  terms: {
    readonly title: string
    readonly unit: Table['unit']
    readonly rounds: number
    /** @defaultValue the floor, where it takes part */
    readonly base?: string
    readonly bounds: readonly Bound[]
    measure(use: T, name: string): Promise<number>
    more?(use: T, name: string): Promise<Row['more']>
  },
  entrants: readonly Entrant<T>[],
): Promise<Table> {
  const contestants = entrants.map(({ name, use }) => ({
    name,
    measure: () => terms.measure(use, name),
  }))
  const measured = await interleave(contestants, terms.rounds)
  const rows: Row[] = []
  for (const { name, use } of entrants) {
    const more = await terms.more?.(use, name)
    rows.push({ name, values: measured.get(name) ?? [], ...(more && { more }) })
  }
  const known = { title: terms.title, unit: terms.unit, base: baseOf(terms.base, rows), rows }
  return { ...known, targets: terms.bounds.flatMap((bound) => bound(known) ?? []) }
}

function baseOf(asked: string | undefined, rows: readonly Row[]): string | undefined {
  return asked ?? rows.find(({ name }) => name === FLOOR)?.name
}
