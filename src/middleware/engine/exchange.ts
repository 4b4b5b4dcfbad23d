// One request and its answer, as the guards see them, whatever the framework.
import type { Answer, End } from './answer.ts'
import type { RequestState } from './request-state.ts'

/** The body of a request, as far as the framework can show it. */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'parsed'
      readonly value: unknown
      /** The files of a form, which its parser has kept beside the fields. */
      readonly files?: readonly RequestFile[] | undefined
    }
  /** There is one, and nobody has read it. */
  | { readonly kind: 'unread' }
  | { readonly kind: 'too-large' }

/** A file of a form. */
export interface RequestFile {
  readonly field: string
  readonly name: string
  /** Its media type. */
  readonly type: string
  readonly bytes: Uint8Array
}

/** What a framework knows of the client's address. */
export interface ClientEvidence {
  /** The other end of the connection, which may be a proxy. */
  readonly peer: string | undefined
  /** What the framework's own proxy setting makes of it, where it has one. */
  readonly resolved?: {
    readonly address: string | undefined
    readonly trusts: 'nobody' | 'some' | 'everybody'
  }
}

/** A request on its way to its handler; `A` is what the framework's callbacks are given. */
export interface Exchange<A extends readonly unknown[] = readonly unknown[]> {
  /** What callbacks of options are called with: `(req, res)` or `(c)`. */
  readonly args: A
  readonly method: string
  /** The path of the URL as the client sent it. */
  readonly path: string
  /** The query with its question mark, or the empty string. */
  readonly query: string
  /** The template of the matched route, where the framework knows it. */
  readonly route: string | undefined
  /** Where the request comes from. */
  readonly client: ClientEvidence
  /** What several guards of one request share. */
  readonly state: RequestState
  /** The value of a request header; several of one name are joined by commas. */
  header(name: string): string | undefined
  /** The request's body, up to `limit` bytes; the handler can still read it. */
  body(limit: number): Promise<RequestBody>
  /** Sets a header of the final answer, whoever makes it; one that `joins` is a list, which guards add to. */
  announce(name: string, value: string, joins: boolean): void
  /** Asks for the answer's body, up to `limit` bytes, to be kept whole for the guard before it leaves. */
  capture(limit: number): void
  /**
   * Runs the handler; resolves when it has ended. Never rejects.
   *
   * @param holds - whether the last byte of its answer waits for the engine's verdict, where it need not wait anyway
   */
  proceed(holds: boolean): Promise<End>
  /** Resolves with the status of an answer that begins to leave before its handler has ended. */
  begun(): Promise<number>
  /** Answers the client now, while the handler still runs; false when its answer has begun to leave. */
  interrupt(answer: Answer): boolean
  /** Resolves when the answer has left for good, or nobody can get it any more; at once where that cannot be told. */
  sent(): Promise<void>
  /** Breaks the connection off: what has left already cannot be taken back. */
  destroy(): void
  /** Calls back when the client has gone and it cannot be told whether the handler still runs. */
  onAbandoned(callback: () => void): void
}
