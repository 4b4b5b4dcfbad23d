// What the examples use without declaring it, as `support/stand-ins.ts` provides it.

declare namespace NodeJS {
  interface ProcessEnv {
    REDIS_URL: string
    REDIS_PASSWORD?: string
    INSTANCE_ID: string
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the examples read what they like of a row.
declare const db: { query(sql: string, parameters: readonly unknown[]): Promise<any> }
declare const orderId: string
declare const requestId: string
declare const amount: number
declare function chargeCard(...details: readonly unknown[]): Promise<void>
declare function performCriticalOperation(): Promise<void>
declare function performLeaderTasks(): Promise<void>
declare function loadConfig(): Promise<unknown>
declare function updateConfig(change: object): Promise<void>
declare function loadDataset(id: string): Promise<readonly unknown[]>
declare function processItem(item: unknown): Promise<void>
