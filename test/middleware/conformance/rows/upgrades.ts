// Connections that become something else, such as WebSockets: they are nobody's request, and no guard touches them.

import { once } from 'node:events'
import { connect } from 'node:net'
import { expect } from 'vitest'
import { json } from '../reply.ts'
import type { Row, RowGroup } from '../row.ts'
import { exchange, requestText } from '../wire.ts'

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

const rows: Row[] = [
  {
    name: 'an upgrade goes to whoever waits for it, its bytes pass untouched, and the end of the service leaves it alone',
    check: async ({ serveAll, store }) => {
      const service = await serveAll({
        use: [
          ['requestScope', { provider: store, timeout: 50 }],
          ['idempotency', { methods: ['GET'], required: true }],
          ['lock', { key: 'a' }],
        ],
        routes: { 'GET /': { handler: () => json('ran') } },
      })
      service.server.on('upgrade', (_request, socket) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        )
        socket.pipe(socket)
      })
      const socket = connect(service.port, '127.0.0.1')
      const next = async () => String((await once(socket, 'data'))[0])
      socket.write(requestText({ method: 'GET', close: false }, ...UPGRADE))
      expect(await next()).toMatch(/^HTTP\/1\.1 101 /)
      socket.write('\x81\x05hello')
      expect(await next()).toBe('\x81\x05hello')
      await service.drain({ timeout: 100, grace: 100 })
      socket.write('still here')
      expect(await next()).toBe('still here')
      socket.destroy()
      expect(service.runs()).toBe(0)
      expect(store.calls).toEqual([])
    },
  },
  {
    name: 'a request that only offers an upgrade, which nobody waits for, is a request like any other',
    check: async ({ serve }) => {
      const service = await serve([['idempotency'], ['lock', { key: 'a' }]], ({ run }) => json(run))
      const offer = requestText({ close: false, body: '{}' }, 'Idempotency-Key: k', ...UPGRADE)
      const send = () =>
        exchange(service.port, offer.replace('Connection: Upgrade', 'Connection: Upgrade, close'))
      expect(await send()).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n1$/s)
      expect(await send()).toMatch(/idempotent-replayed: true.*\r\n\r\n1$/is)
      expect(service.runs()).toBe(1)
    },
  },
]

export const upgrades: RowGroup = { subject: 'connections that become something else', rows }
