// Starts the OpenTelemetry SDK when it is imported: first of all, so that nothing escapes it.

import { createRequire } from 'node:module'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { TracePrinter } from './trace-printer.ts'

const sdk = new NodeSDK({
  serviceName: process.env.OTEL_SERVICE_NAME || 'payments',
  instrumentations: [
    new HttpInstrumentation({
      ignoreIncomingRequestHook: ({ url }) => url === '/healthz',
      disableOutgoingRequestInstrumentation: true,
    }),
  ],
  logRecordProcessors: [],
  // With an endpoint the SDK sends traces and metrics there by itself; without one, traces are for the terminal.
  ...(process.env.OTEL_EXPORTER_OTLP_ENDPOINT
    ? {}
    : { spanProcessors: [new TracePrinter()], metricReaders: [] }),
})
sdk.start()
// The instrumentation hooks `require`, not `import`; the class that it patches is the same one for both.
createRequire(import.meta.url)('node:http')

/** Sends what has not been sent yet. */
export function stopTelemetry(): Promise<void> {
  return sdk.shutdown()
}
