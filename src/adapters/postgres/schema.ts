// The schema in the database: checked before the first use, and migrated by one process at a time.
import type { PoolClient } from 'pg'
import { StoreUnavailableError } from '../../core/errors.ts'
import type { Clients } from './clients.ts'
import { typed } from './failure.ts'
import { LATEST, migrations, quoted } from './migrations.ts'
import { ask, run } from './statement.ts'
import { within } from './within.ts'

const OLDEST = 130_000
/** The first half of the number that all migrations lock; the other one is the schema's name. */
const LOCK = 0x686f6c64
/** How long a migration may take, however soon those give up who wait for it: one that is cut off begins anew. */
const MIGRATION = 30_000

/** The tables and functions of one adapter. */
export class Schema {
  readonly name: string
  readonly #clients: Clients
  readonly #deadline: number
  #checked = false
  #checking: Promise<void> | undefined

  constructor(clients: Clients, name: string, deadline: number) {
    this.#clients = clients
    this.name = name
    this.#deadline = deadline
  }

  /** Whether the schema was found to be as this code needs it. */
  get isReady(): boolean {
    return this.#checked
  }

  /** Checks the server and migrates what is missing, once for all who wait. */
  async ready(until: number): Promise<void> {
    if (this.#checked) return
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined
    })
    await within(
      until,
      this.#checking,
      () =>
        new StoreUnavailableError(`The schema "${this.name}" was not migrated in time`, {
          outcome: 'none',
        }),
    )
  }

  /** Looks again at the next use, because something of it was not there. */
  forget(): void {
    this.#checked = false
  }

  async #check(): Promise<void> {
    const until = performance.now() + this.#deadline
    try {
      await this.#clients.use(until, true, async (client) => {
        if ((await this.#version(client, until)) >= LATEST) return
        await this.#migrate(client, Math.max(until, performance.now() + MIGRATION))
      })
    } catch (error) {
      throw typed(error, this.name, 'none')
    }
    this.#checked = true
  }

  async #version(client: PoolClient, until: number): Promise<number> {
    const [server, found] = await ask(
      client,
      // Not to_regclass(): it may answer from before the wait for the lock.
      {
        text: `select current_setting('server_version_num'), exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1 and c.relname = 'migrations')::text`,
      },
      [this.name],
      until,
    )
    if (Number(server) < OLDEST) {
      throw new StoreUnavailableError(
        `Expected PostgreSQL ${OLDEST / 10_000} or later, got ${Number(server) / 10_000}`,
        { outcome: 'none' },
      )
    }
    if (found !== 'true') return 0
    const [version] = await ask(
      client,
      { text: `select coalesce(max(version), 0) from ${quoted(this.name)}.migrations` },
      [],
      until,
    )
    if (Number(version) > LATEST) {
      throw new StoreUnavailableError(
        `Expected the schema "${this.name}" at version ${LATEST} or older, got ${version}: ` +
          'a newer release of this library has migrated it, so update this process',
        { outcome: 'none' },
      )
    }
    return Number(version)
  }

  async #migrate(client: PoolClient, until: number): Promise<void> {
    // Whatever the session's defaults are: to see what was committed while we waited for the lock.
    await run(client, 'begin isolation level read committed read write', until)
    try {
      await run(client, 'set local search_path = pg_catalog, pg_temp', until)
      await ask(
        client,
        { text: 'select pg_advisory_xact_lock($1, hashtext($2))' },
        [LOCK, this.name],
        until,
      )
      const version = await this.#version(client, until)
      for (const step of migrations(this.name)) {
        if (step.version > version) await run(client, step.sql, until)
      }
      await run(client, 'commit', until)
    } catch (error) {
      // A connection that does not even take this is dropped for its first error.
      await run(client, 'rollback', until).catch(() => {})
      throw error
    }
  }
}
