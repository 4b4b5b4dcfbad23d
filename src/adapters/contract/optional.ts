// Ports that an adapter need not have: one without keeps all their promises.
import type { Adapter, Histories, Rates } from '../../core/ports.ts'
import type { Trial } from './trial.ts'

interface OptionalPorts {
  readonly rates: Rates
  readonly histories: Histories
}

/** A port of an adapter that may have it. */
export function portOf<P extends keyof OptionalPorts>(
  adapter: Adapter,
  port: P,
): OptionalPorts[P] | undefined {
  const ports: Partial<OptionalPorts> = adapter as Adapter & Partial<OptionalPorts>
  return ports[port]
}

/** A check of a store that has the port. */
export function overPort<P extends keyof OptionalPorts>(
  port: P,
  check: (trial: Trial, port: OptionalPorts[P]) => Promise<void>,
): (trial: Trial) => Promise<void> {
  return async (trial) => {
    const has = portOf(trial.adapter, port)
    if (has) await check(trial, has)
  }
}
