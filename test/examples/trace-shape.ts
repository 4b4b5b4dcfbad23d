// What stays the same when a printed trace is printed again: everything but times, ids and tokens.

/** The id of a printed trace. */
export function traceId(trace: string): string {
  return trace.match(/^trace (\w+)/)?.[1] ?? ''
}

/** A printed trace without what differs from run to run. */
export function shapeOf(trace: string): string {
  return trace
    .replaceAll(/ +[\d.]+ ms/g, '')
    .replaceAll(/trace [0-9a-f]{8}/g, 'trace …')
    .replaceAll(/fencing_token=\d+/g, 'fencing_token=…')
}
