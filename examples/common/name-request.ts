// Names the span of a request by its route: `POST /orders/:id/ship` instead of `POST`.
import { trace } from '@opentelemetry/api'

export function nameRequest(method: string, route: string | undefined): void {
  if (route === undefined) return
  trace.getActiveSpan()?.updateName(`${method} ${route}`).setAttribute('http.route', route)
}
