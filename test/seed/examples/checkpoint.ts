import { scope } from 'holdfast'
import type { Checkpoint } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis()
const adapter = new RedisAdapter(redis)
await using s = scope()
async function processLargeDataset(datasetId: string) {
  // Try to load existing checkpoint
  const checkpoint = await adapter.loadLatestCheckpoint(datasetId)
  let startIndex = checkpoint?.state?.lastProcessedIndex ?? 0
  console.log(`Resuming from index ${startIndex}`)
  const items = await loadDataset(datasetId)
  for (let i = startIndex; i < items.length; i++) {
    await processItem(items[i])
    // Save checkpoint every 100 items
    if (i % 100 === 0) {
      await adapter.saveCheckpoint({
        taskId: datasetId,
        sequence: i,
        timestamp: Date.now(),
        state: { lastProcessedIndex: i }
      })
      console.log(`Checkpoint saved at index ${i}`)
    }
  }
  console.log('Processing complete')
  // Cleanup checkpoints
  await adapter.deleteAllCheckpoints(datasetId)
}
await processLargeDataset('orders-2026')
