// The text of the start: where the service listens, and lines to try it with.

export interface Greeting {
  readonly framework: string
  readonly url: string
  readonly redisUrl: string | undefined
}

export function greeting({ framework, url, redisUrl }: Greeting): string {
  const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT
  return `
holdfast demo on ${framework}: ${url}
${redisUrl ? 'Keys, locks and permits are in Redis: start another process beside it.' : 'Keys, locks and permits are in memory: set REDIS_URL to share them between processes.'}
${endpoint ? `Traces and metrics go to ${endpoint}.` : 'The trace of every request appears below.'}

Pay, then send the same line again: the card is charged once, and the second trace links to the first.

  curl -i ${url}/payments -H 'Content-Type: application/json' -H 'Idempotency-Key: "order-1"' \\
    -d '{ "orderId": "o1", "amount": 10 }'

  curl ${url}/payments

Ship one order three times at once: one after the other, with growing fencing tokens.

  for i in 1 2 3; do curl -s -X POST ${url}/orders/7/ship & done; wait

Ask for seven reports at once: two are made at a time, and who waits for more than 300 ms gets a 503.

  for i in 1 2 3 4 5 6 7; do curl -s ${url}/reports & done; wait

Ask for seven prices: five are answered, and each answer says what is left.

  for i in 1 2 3 4 5 6 7; do curl -si ${url}/prices/tea | grep -iE '^(HTTP|RateLimit|Retry-After)'; done
`
}
