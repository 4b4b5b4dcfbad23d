// The middlewares keep their promises in Hono, on the memory store.

import { MemoryAdapter } from '../../src/index.ts'
import { describeConformance } from './conformance/describe.ts'
import { honoFramework } from './conformance/hono-service.ts'

describeConformance(honoFramework, {
  store: 'memory',
  open: () => {
    const store = new MemoryAdapter()
    return () => store
  },
})
