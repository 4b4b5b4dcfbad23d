// A supplier that knows the price of everything but of what is out of stock: about that it fails.
import { setTimeout as sleep } from 'node:timers/promises'

export async function askSupplier(item: string): Promise<{ item: string; price: number }> {
  await sleep(5)
  if (item === 'out-of-stock') throw new Error('The supplier has failed')
  return { item, price: 10 }
}
