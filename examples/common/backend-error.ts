// The error of a backend that does not answer, and the answer that its clients get.

/** The service's own Redis calls failed. */
class BackendError extends Error {
  readonly status = 503
}

/** The answer of Redis, or a BackendError. */
export async function asked<T>(command: Promise<T>): Promise<T> {
  try {
    return await command
  } catch (cause) {
    throw new BackendError('The list of payments cannot be reached', { cause })
  }
}

/** How a failed request is answered: with the error's own status where it has one, else as a fault of ours. */
export function failure(error: unknown): { status: 400 | 500 | 503; body: { error: string } } {
  const { status, message } = error as { status?: number; message?: string }
  if (status === 503) return { status, body: { error: String(message) } }
  if (status === 400) return { status, body: { error: 'The body is not JSON' } }
  console.error(error)
  return { status: 500, body: { error: String(message) } }
}
