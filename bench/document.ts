// `npm run bench:write`: draws docs/benchmarks.md from the results that were kept; ratios only, for machines differ.

import { readFileSync, writeFileSync } from 'node:fs'
import { draw } from './measure/table.ts'
import { kept, type Measured } from './results.ts'

const { dependencies } = JSON.parse(
  readFileSync(new URL('package.json', import.meta.url), 'utf8'),
) as { readonly dependencies: Readonly<Record<string, string>> }

const versions = Object.entries(dependencies)
  .filter(([name]) => name !== 'holdfast')
  .map(([name, version]) => `${name} ${version}`)
  .join(', ')

const introduction = `# Benchmarks

Drawn by \`npm run bench:write\` from what \`npm run bench\` measured; do not edit.

Every contestant of a table is measured once in each round, one after the other, and its ratio to the row that the column names is taken within the
round. A table quotes the median of these ratios and their ends. The *floor* is the least that any implementation could do with the same
client and server: no fencing, no queue, no lease, no telemetry. Of throughput more is better, of time (µs, ms) less.
The servers are private ones on the same machine, without persistence. The machine was busy with other work: what lies within the
ends of another row is no difference.

Versions: ${versions}.`

const results = kept()
const tables = results.map((measured) => [caption(measured), ...measured.tables.map(section)])
const text = [introduction, ...tables.flat()].join('\n\n')
writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), `${text}\n`)

function section(table: Measured['tables'][number]): string {
  return draw(table, { absolute: false })
}

function caption({ suite, rounds, machine }: Measured): string {
  const { node, platform, cores } = machine
  return `## ${suite}\n\n\`npm run bench -- ${suite}\`, ${rounds} rounds, Node ${node}, ${platform}, ${cores} cores.`
}
