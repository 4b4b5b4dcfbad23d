// The migrations: what the schema must hold, in numbered steps that are only ever added to.
import { InvalidArgumentError } from '../../core/errors.ts'
import grants from './sql/0001_grants.sql' with { type: 'text' }
import records from './sql/0002_records.sql' with { type: 'text' }
import rates from './sql/0003_rates.sql' with { type: 'text' }
import counts from './sql/0004_counts.sql' with { type: 'text' }
import histories from './sql/0005_histories.sql' with { type: 'text' }
import fences from './sql/0006_fences.sql' with { type: 'text' }

/** One step from an empty database to the current schema. */
export interface Migration {
  /** Steps are applied in this order, each once. */
  readonly version: number
  readonly name: string
  /** Statements to run in one transaction; the last one notes the version in the table `migrations`. */
  readonly sql: string
}

const STEPS: readonly Migration[] = [
  { version: 1, name: 'grants', sql: grants },
  { version: 2, name: 'records', sql: records },
  { version: 3, name: 'rates', sql: rates },
  { version: 4, name: 'counts', sql: counts },
  { version: 5, name: 'histories', sql: histories },
  { version: 6, name: 'fences', sql: fences },
]

/** The version that this code needs. */
export const LATEST: number = STEPS.length

/**
 * The steps that bring a database to the current schema, for those who migrate by hand; `connect()` applies what is
 * missing otherwise.
 *
 * @throws `InvalidArgumentError` when `schema` is not a plain lower-case identifier
 * @example
 * ```ts
 * import { migrations } from 'holdfast/postgres'
 *
 * for (const { version, name, sql } of migrations('holdfast')) {
 *   console.log(`-- ${version} ${name}\nbegin;\n${sql}\ncommit;`)
 * }
 * ```
 */
export function migrations(schema = 'holdfast'): readonly Migration[] {
  const name = expectSchema(schema)
  // In the files the word stands for the schema and for nothing else.
  return STEPS.map((step) => ({ ...step, sql: step.sql.replace(/\bholdfast\b/g, quoted(name)) }))
}

/** A schema's name as an identifier: a word that SQL reserves is one too. */
export function quoted(schema: string): string {
  return `"${schema}"`
}

/** A schema's name that means the same with and without quotes. */
export function expectSchema(schema: unknown): string {
  if (typeof schema !== 'string' || !/^[a-z_][a-z0-9_]{0,40}$/.test(schema)) {
    throw new InvalidArgumentError(
      'Expected `schema` to be a name of lower-case letters, digits and `_` (41 at most)',
    )
  }
  return schema
}
