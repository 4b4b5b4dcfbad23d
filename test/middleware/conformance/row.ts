// A row of the conformance suite: one promise of the middlewares, checked over a real socket.

import type { Framework, Handler, Mount, Service, ServiceSpec } from './service.ts'
import type { SpiedStore } from './spied-store.ts'

/** What a row works on: one framework, and an empty store. */
export interface Bench {
  readonly framework: Framework['name']
  /** The store of the request scopes, and so of every guard that is given no other. */
  readonly store: SpiedStore
  /** The same data through another connection, as another process has it. */
  otherProcess(): SpiedStore
  /** A service of one route, `POST /`, behind `requestScope({ provider: store })`. */
  serve(guards: readonly Mount[], handler: Handler): Promise<Service>
  /** Any service; nothing is mounted that is not written. */
  serveAll(spec: ServiceSpec): Promise<Service>
}

export interface Row {
  readonly name: string
  readonly check: (bench: Bench) => Promise<void>
  /** For what only one of the frameworks can do at all. */
  readonly only?: Framework['name']
}

/** The rows of one subject. */
export interface RowGroup {
  readonly subject: string
  readonly rows: readonly Row[]
}
