// The middlewares keep their promises in Express 5, on the memory store.

import express from 'express'
import { MemoryAdapter } from '../../src/index.ts'
import { describeConformance } from './conformance/describe.ts'
import { expressFramework } from './conformance/express-service.ts'

describeConformance(expressFramework(express), {
  label: 'express 5',
  store: 'memory',
  open: () => {
    const store = new MemoryAdapter()
    return () => store
  },
})
