// The middlewares keep their promises in Express 4 as well, on the memory store.

import express from 'express4'
import { MemoryAdapter } from '../../src/index.ts'
import { describeConformance } from './conformance/describe.ts'
import { expressFramework } from './conformance/express-service.ts'

describeConformance(expressFramework(express), {
  label: 'express 4',
  store: 'memory',
  open: () => {
    const store = new MemoryAdapter()
    return () => store
  },
})
