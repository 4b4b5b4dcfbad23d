// All checks of grants, in the order in which they are best read.
import type { ContractCheck } from '../check.ts'
import { beatChecks } from './beat.ts'
import { contentionChecks } from './contention.ts'
import { dataLossChecks } from './data-loss.ts'
import { exclusiveChecks } from './exclusive.ts'
import { expiryChecks } from './expiry.ts'
import { fencingChecks } from './fencing.ts'
import { handOffChecks } from './hand-off.ts'
import { inspectChecks } from './inspect.ts'
import { nameChecks } from './names.ts'
import { permitChecks } from './permits.ts'
import { queueChecks } from './queue.ts'
import { releaseChecks } from './release.ts'
import { renewalChecks } from './renewal.ts'
import { resendChecks } from './resend.ts'
import { sharedChecks } from './shared.ts'

/** The promises of the port `grants`. */
export const grantChecks: readonly ContractCheck[] = [
  ...exclusiveChecks,
  ...releaseChecks,
  ...renewalChecks,
  ...expiryChecks,
  ...fencingChecks,
  ...resendChecks,
  ...sharedChecks,
  ...permitChecks,
  ...queueChecks,
  ...handOffChecks,
  ...beatChecks,
  ...inspectChecks,
  ...nameChecks,
  ...contentionChecks,
  ...dataLossChecks,
]
