// One statement to PostgreSQL: with a deadline of its own, its answer as plain text.
import { createHash } from 'node:crypto'
import type { ClientBase, CustomTypesConfig } from 'pg'
import { StoreCorruptError } from '../../core/errors.ts'
import { left } from './within.ts'

/** What may be passed to a statement. */
export type Argument = string | number | boolean | null | readonly string[] | readonly number[]

/** One column of an answer; undefined when there is no row. */
export type Column = string | null | undefined

/** The columns of the only row of an answer. */
export type Row = readonly (string | null)[]

/** Whatever parsers the user has set: every column of ours is text. */
const asText: CustomTypesConfig = { getTypeParser: () => String }

/** A statement and the name that it is prepared under, where names can be used. */
export interface Statement {
  readonly text: string
  readonly name: string
}

/** A statement that is sent often; the name belongs to this text alone, whoever else uses the connection. */
export function statement(text: string): Statement {
  return { text, name: `holdfast_${createHash('sha256').update(text).digest('hex').slice(0, 32)}` }
}

/** A call that does not wait until what it changes is on disk: a crash of the server may undo it. */
export function relaxed(call: string): Statement {
  // For this statement only: the setting ends with its transaction.
  return statement(`select ${call}, set_config('synchronous_commit', 'off', true)`)
}

/** Sends a statement and answers its only row; without a name it works behind every pooler. */
export async function ask(
  client: Pick<ClientBase, 'query'>,
  { text, name }: { readonly text: string; readonly name?: string | undefined },
  values: readonly Argument[],
  until: number,
): Promise<Row> {
  const query = { text, name, values: [...values], types: asText, rowMode: 'array' as const }
  // Not in the types of pg, and the only limit that it keeps when nothing comes back.
  const limited = { ...query, query_timeout: left(until) }
  const { rows } = await client.query<(string | null)[]>(limited)
  return rows[0] ?? []
}

/** Sends statements without an answer, one after the other. */
export async function run(client: ClientBase, text: string, until: number): Promise<void> {
  await client.query({ text, query_timeout: left(until) } as { text: string })
}

/** The JSON in the only column of an answer. */
export function parse<T>(key: string, [json]: Row): T {
  try {
    return JSON.parse(json ?? '') as T
  } catch (cause) {
    throw new StoreCorruptError(`PostgreSQL answered something unknown about '${key}'`, {
      key,
      cause,
    })
  }
}
