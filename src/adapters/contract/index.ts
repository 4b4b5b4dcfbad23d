/**
 * The adapter contract: what every store promises, as data for any test runner, so that a store of one's own can
 * prove itself.
 *
 * @module
 */
export type {
  Adapter,
  AppendRequest,
  BeatReply,
  BeginReply,
  BeginRequest,
  BreakerMove,
  BreakerPhase,
  BreakerView,
  CommitRequest,
  Counts,
  EventListener,
  GrantReply,
  GrantRequest,
  Grants,
  GrantView,
  Histories,
  HistoryEntry,
  HistoryMark,
  HistoryReply,
  HoldfastEvent,
  Inbox,
  Listening,
  LostExecution,
  Meta,
  Notice,
  Outcome,
  OutcomeReport,
  Outcomes,
  PutRequest,
  RateReply,
  RateRequest,
  RateRule,
  RateStanding,
  Rates,
  Records,
  ResourceView,
  SignalListener,
  Signals,
  Takeover,
} from '../../core/ports.ts'
export type { ContractCheck, ContractGroup } from './check.ts'
export { contract } from './contract.ts'
export { type ContractFailure, type ContractReport, checkContract } from './report.ts'
export type { ContractStore } from './store.ts'
