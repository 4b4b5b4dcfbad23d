// All checks of records, in the order in which they are best read.
import type { ContractCheck } from '../check.ts'
import { beginChecks } from './begin.ts'
import { recordLossChecks } from './data-loss.ts'
import { dropChecks } from './drop.ts'
import { fingerprintChecks } from './fingerprint.ts'
import { recordNameChecks } from './names.ts'
import { noticeChecks } from './notices.ts'
import { outcomeChecks } from './outcome.ts'
import { putChecks } from './put.ts'
import { refreshChecks } from './refresh.ts'
import { removeChecks } from './remove.ts'
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
  ...refreshChecks,
  ...putChecks,
  ...removeChecks,
  ...noticeChecks,
  ...recordNameChecks,
  ...recordLossChecks,
]
