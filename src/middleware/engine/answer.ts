// An answer, and how the handler's own answer ended.

/** An answer that a guard makes or replays. */
export interface Answer {
  readonly status: number
  /** In order; a name may come twice. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

/** How the handler's answer ended. */
export interface End {
  readonly status: number
  /** Those that go with the body; empty without one. */
  readonly headers: Answer['headers']
  /** The whole body, when it was complete before its first byte had to leave; undefined when streamed or too large. */
  readonly body: Uint8Array | undefined
  /** True when the client had been answered before, because the handler took too long. */
  readonly late: boolean
  /** True when a guard further in made the answer. */
  readonly refused: boolean
  /** What the handler threw, where the framework tells. */
  readonly error?: unknown
  /** True when what was thrown must be thrown on: the framework made no answer of it. */
  readonly unanswered?: boolean
}

/** Headers that describe a body: they go with it when another answer takes its place. */
export const BODY_HEADERS: readonly string[] = [
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
  'transfer-encoding',
]
