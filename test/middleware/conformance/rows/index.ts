// Every row of the conformance suite.

import type { RowGroup } from '../row.ts'
import { breakers } from './breakers.ts'
import { callers } from './callers.ts'
import { capture } from './capture.ts'
import { clients } from './clients.ts'
import { deploys } from './deploys.ts'
import { disconnects } from './disconnects.ts'
import { drains } from './drains.ts'
import { failures } from './failures.ts'
import { fingerprints } from './fingerprints.ts'
import { headers } from './headers.ts'
import { keys } from './keys.ts'
import { locks } from './locks.ts'
import { mounting } from './mounting.ts'
import { options } from './options.ts'
import { outages } from './outages.ts'
import { permits } from './permits.ts'
import { rateLimits } from './rate-limits.ts'
import { retries } from './retries.ts'
import { scopes } from './scopes.ts'
import { streams } from './streams.ts'
import { timeouts } from './timeouts.ts'
import { upgrades } from './upgrades.ts'
import { uploads } from './uploads.ts'
import { wire } from './wire.ts'

export const groups: readonly RowGroup[] = [
  keys,
  retries,
  fingerprints,
  uploads,
  callers,
  headers,
  capture,
  streams,
  failures,
  deploys,
  disconnects,
  locks,
  permits,
  rateLimits,
  clients,
  breakers,
  timeouts,
  scopes,
  drains,
  mounting,
  options,
  outages,
  wire,
  upgrades,
]
