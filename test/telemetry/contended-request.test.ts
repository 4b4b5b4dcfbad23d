// The trace of contended requests, on the memory store.

import express from 'express'
import { MemoryAdapter } from '../../src/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { describeContendedRequests } from './contended-requests.ts'

for (const framework of [expressFramework(express), honoFramework]) {
  describeContendedRequests(framework, () => {
    const store = new MemoryAdapter()
    return () => store
  })
}
