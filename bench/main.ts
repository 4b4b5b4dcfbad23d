// `npm run bench -- [suite …] [--rounds 5] [--quick]`: measures, prints the tables and keeps them as JSON.

import { parseArgs } from 'node:util'
import { draw, type Table } from './measure/table.ts'
import { keep } from './results.ts'
import { servers } from './servers.ts'
import { suites } from './suite.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  throw new Error(`Expected \`--rounds\` to be a positive integer, got ${values.rounds}`)
}

// Each server and each worker listens for the end of the process.
process.setMaxListeners(0)
const chosen = await suites(positionals)
await using started = servers()
const { redis, postgres } = started
for (const suite of chosen) {
  const tables: Table[] = []
  for await (const table of suite.run({ rounds, ms: values.quick ? 100 : 600, redis, postgres })) {
    tables.push(table)
    console.log(`${draw(table, { absolute: true })}\n`)
  }
  keep(suite.name, rounds, tables)
}
