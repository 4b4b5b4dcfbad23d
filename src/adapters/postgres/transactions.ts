// What is done as part of a transaction of the user's: on their client, by statements without a name.
import type { ClientBase, QueryResult } from 'pg'
import { InvalidArgumentError, StoreUnavailableError } from '../../core/errors.ts'
import type { CommitRequest, TransactionClient, Transactions } from '../../core/ports.ts'
import { escapeName } from '../wire/keys.ts'
import { isBroken, isInFailedTransaction, typed } from './failure.ts'
import type { PostgresRecords } from './records.ts'
import { type Argument, ask, type Row } from './statement.ts'
import type { Store } from './store.ts'
import { left } from './within.ts'

/**
 * Whether the client is outside of any transaction: each statement begins one of its own then. It has no parameters, or
 * its parts would be sent, and take their time, one after the other.
 */
const OUTSIDE = 'select (transaction_timestamp() = statement_timestamp())::text'

/**
 * The setting that holds whose transaction it is: it ends with that, whoever ends it. Unlike a query it leaves the user free
 * to choose the isolation of the transaction.
 */
const MARK = 'holdfast.attempt'

/** Transactions of the user's own. */
export class PostgresTransactions implements Transactions {
  readonly #store: Store
  readonly #records: PostgresRecords
  readonly #fence: string
  readonly #deadline: number

  constructor(store: Store, records: PostgresRecords, schema: string, deadline: number) {
    this.#store = store
    this.#records = records
    this.#fence = `select ${schema}.fence_raise($1, $2)`
    this.#deadline = deadline
  }

  async begin(client: TransactionClient, id: string): Promise<void> {
    expectClient(client)
    // Before the transaction, so that what this migrates is seen in it.
    await this.#store.ready()
    if (await this.#isInTransaction(client)) {
      throw new InvalidArgumentError(
        'Expected `client` to be outside of any transaction: one is begun and committed here',
      )
    }
    const mark = `set local ${MARK} = '${escapeName(id)}'`
    await this.#send(client, `begin; ${mark}`).catch((error: unknown) => {
      // It may have begun all the same; no answer is waited for a second time.
      void this.rollback(client, id)
      throw undone(error, 'transaction')
    })
  }

  async commit(client: TransactionClient): Promise<void> {
    const [ended] = await this.#send(client, 'commit').catch((error: unknown) => {
      throw typed(error, 'transaction', 'none')
    })
    if (ended?.command === 'COMMIT') return
    throw new StoreUnavailableError(
      'PostgreSQL rolled the transaction back: a statement in it had failed',
      { outcome: 'none' },
    )
  }

  async rollback(client: TransactionClient, id: string): Promise<boolean> {
    try {
      const isOurs = `select where current_setting('${MARK}', true) = '${escapeName(id)}'`
      const [found] = await this.#send(client, `${isOurs}; rollback`)
      return found?.rowCount === 1
    } catch {
      // One that has failed answers no question, and a connection that does not even take this has ended: so has the
      // transaction, then.
      await this.#send(client, 'rollback').catch(() => {})
      return true
    }
  }

  async fence(client: TransactionClient, resource: string, token: number): Promise<boolean> {
    expectClient(client)
    await this.#store.ready()
    if (!(await this.#isInTransaction(client))) {
      throw new InvalidArgumentError(
        'Expected `client` to be in a transaction: a fence excludes nobody beyond the one that raises it',
      )
    }
    const args = [this.#store.key(resource), token]
    const [raised] = await this.#ask(client, this.#fence, args, resource)
    return raised === '1'
  }

  async record(client: TransactionClient, request: CommitRequest): Promise<boolean> {
    const [{ text }, record, args] = this.#records.commitCall(request)
    const inOurs = `${text} where current_setting('${MARK}', true) = $${args.length + 1}`
    const [done] = await this.#ask(client, inOurs, [...args, escapeName(request.id)], record)
    if (done === undefined) {
      throw new InvalidArgumentError(
        'Expected `client` to be in the transaction that was begun here',
      )
    }
    return done === '1'
  }

  async #isInTransaction(client: TransactionClient): Promise<boolean> {
    try {
      const [outside] = await ask(client as ClientBase, { text: OUTSIDE }, [], this.#until())
      return outside !== 'true'
    } catch (error) {
      if (isInFailedTransaction(error)) return true
      throw undone(error, 'transaction')
    }
  }

  async #ask(
    client: TransactionClient,
    text: string,
    args: readonly Argument[],
    key: string,
  ): Promise<Row> {
    try {
      return await ask(client as ClientBase, { text }, args, this.#until())
    } catch (error) {
      throw undone(error, key)
    }
  }

  /** Answers what the server says that it did, for each statement. */
  async #send(client: TransactionClient, text: string): Promise<readonly QueryResult[]> {
    const limited = { text, query_timeout: left(this.#until()) }
    const done: QueryResult | QueryResult[] = await (client as ClientBase).query(limited)
    return Array.isArray(done) ? done : [done]
  }

  #until(): number {
    return performance.now() + this.#deadline
  }
}

/** The typed error of a statement in a transaction, which is not committed after it. */
function undone(error: unknown, key: string): Error {
  if (!isBroken(error)) return typed(error, key, 'none')
  return new StoreUnavailableError(`The connection of the transaction broke about '${key}'`, {
    key,
    outcome: 'none',
    cause: error,
  })
}

function expectClient(client: TransactionClient): void {
  const { query, idleCount } = (client ?? {}) as { query?: unknown; idleCount?: unknown }
  if (typeof query === 'function' && idleCount === undefined) return
  throw new InvalidArgumentError(
    'Expected `client` to be a client of pg, such as `await pool.connect()`: a pool sends every statement over another connection',
  )
}
