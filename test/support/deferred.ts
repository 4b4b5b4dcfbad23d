// A promise that the test settles, to put concurrent steps into a chosen order.

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
  /** Whether it has been resolved or rejected. */
  readonly settled: boolean
}

export function deferred<T = void>(): Deferred<T> {
  let settled = false
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return {
    promise,
    resolve: (value) => {
      settled = true
      resolve(value)
    },
    reject: (reason) => {
      settled = true
      reject(reason)
    },
    get settled() {
      return settled
    },
  }
}
