// All checks of records, in the order in which they are best read.
import type { ContractCheck } from '../check.ts'
import { beginChecks } from './begin.ts'
import { recordLossChecks } from './data-loss.ts'
import { dropChecks } from './drop.ts'
import { fingerprintChecks } from './fingerprint.ts'
import { recordNameChecks } from './names.ts'
import { outcomeChecks } from './outcome.ts'
import { recordRenewalChecks } from './renewal.ts'
import { retentionChecks } from './retention.ts'
import { takeoverChecks } from './takeover.ts'

/** The promises of the port `records`. */
export const recordChecks: readonly ContractCheck[] = [
  ...beginChecks,
  ...outcomeChecks,
  ...recordRenewalChecks,
  ...dropChecks,
  ...fingerprintChecks,
  ...takeoverChecks,
  ...retentionChecks,
  ...recordNameChecks,
  ...recordLossChecks,
]
