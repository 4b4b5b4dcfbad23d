// The tracer of whichever tracer provider is registered now, or none.
import {
  type ProxyTracerProvider,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { NAMESPACE } from './catalogue.ts'
import { VERSION } from './version.ts'

/** The registered tracer; undefined when there is none, so that nothing has to be made for it. */
export function tracer(): Tracer | undefined {
  const provider = trace.getTracerProvider() as TracerProvider & Partial<ProxyTracerProvider>
  return provider.getDelegateTracer
    ? provider.getDelegateTracer(NAMESPACE, VERSION)
    : provider.getTracer(NAMESPACE, VERSION)
}
