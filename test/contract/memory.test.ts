// The memory store keeps the contract.

import { describeContract } from '../support/contract-run.ts'
import { memoryStore } from '../support/memory-store.ts'

describeContract('memory', () => memoryStore())
