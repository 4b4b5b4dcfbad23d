// Preloaded into every example: what it uses without declaring it, each a question to the test that runs it.

const world = process.env.WORLD_URL
const reach = globalThis.fetch

function ask(what: string): (...details: readonly unknown[]) => Promise<unknown> {
  return async (...details) => {
    const body = JSON.stringify(details)
    const answer = await reach(`${world}/${what}`, { method: 'POST', body })
    return answer.json()
  }
}

Object.assign(globalThis, {
  db: { query: ask('db.query') },
  chargeCard: ask('chargeCard'),
  performCriticalOperation: ask('performCriticalOperation'),
  performLeaderTasks: ask('performLeaderTasks'),
  loadConfig: ask('loadConfig'),
  updateConfig: ask('updateConfig'),
  loadDataset: ask('loadDataset'),
  processItem: ask('processItem'),
  orderId: '42',
  amount: 4_200,
  requestId: 'r-1',
  fetch: (url: string, init?: RequestInit) => reach(`${world}/${new URL(url).href}`, init),
})
