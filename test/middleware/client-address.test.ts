// Who a client is: addresses and ranges against Node's own readers, and headers that anybody may have written.

import { BlockList, isIP, isIPv4 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressKey, clientBehind } from '../../src/middleware/engine/client-address.ts'
import {
  groupName,
  type IpAddress,
  type IpRange,
  isWithin,
  parseAddress,
  parseHop,
  parseRange,
} from '../../src/middleware/engine/ip-address.ts'

const address = (text: string) => parseAddress(text) as IpAddress
const ranges = (...texts: string[]) => texts.map((text) => parseRange(text) as IpRange)

const v4 = fc.ipV4()
const v6 = fc.ipV6()
/** What looks like an address and may be none. */
const lookalike = fc.string({
  unit: fc.constantFrom('0', '1', '9', 'a', 'f', ':', '::', '.', '255', '256', '/', '%', '[', ']'),
  maxLength: 24,
})

describe('addresses', () => {
  test('are what Node says they are', () => {
    fc.assert(
      fc.property(fc.oneof(v4, v6, lookalike), (text) => {
        // Whatever follows the percent sign is a zone to us.
        fc.pre(!text.includes('%'))
        expect(parseAddress(text) !== undefined, text).toBe(isIP(text) !== 0)
      }),
      { numRuns: 5_000 },
    )
  })

  test('of IPv4 are one with what IPv6 maps them to', () => {
    fc.assert(
      fc.property(v4, (text) => {
        for (const form of [text, `::ffff:${text}`, `0:0:0:0:0:FFFF:${text}`]) {
          expect(groupName(address(form), 56)).toBe(text)
        }
      }),
    )
    expect(addressKey('::ffff:cb00:7109')).toBe('203.0.113.9')
  })

  test('of IPv6 are grouped by their first 56 bits, or by as many as are said', () => {
    expect(addressKey('2001:db8:1:2ff::1')).toBe('2001:db8:1:200::/56')
    expect(addressKey('2001:db8:1:2aa:bbbb::')).toBe('2001:db8:1:200::/56')
    expect(addressKey('2001:db8:1:300::1')).not.toBe(addressKey('2001:db8:1:2ff::1'))
    expect(addressKey('2001:db8:1:2ff::1', 64)).toBe('2001:db8:1:2ff::/64')
    expect(addressKey('2001:db8::1', 128)).toBe('2001:db8:0:0:0:0:0:1/128')
    expect(addressKey('fe80::1%eth0')).toBe(addressKey('fe80::2'))
  })

  test('of one group are those that Node puts into one subnet', () => {
    fc.assert(
      fc.property(v6, v6, fc.integer({ min: 1, max: 128 }), (a, b, bits) => {
        fc.pre(!a.includes('.') && !b.includes('.'))
        const subnet = new BlockList()
        subnet.addSubnet(a, bits, 'ipv6')
        const isOne = groupName(address(a), bits) === groupName(address(b), bits)
        expect(isOne).toBe(subnet.check(b, 'ipv6'))
        expect(isIP(groupName(address(a), bits).split('/')[0] ?? '')).toBe(6)
      }),
    )
  })

  test('have a port or brackets in a header, and nothing else', () => {
    for (const text of ['203.0.113.9', '203.0.113.9:4711', '[::ffff:203.0.113.9]:80']) {
      expect(parseHop(text)).toEqual(address('203.0.113.9'))
    }
    for (const text of ['2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:443']) {
      expect(parseHop(text)).toEqual(address('2001:db8::1'))
    }
    for (const text of [
      '',
      'unknown',
      '_hidden',
      '1.2.3.4:',
      '1.2.3.4:x',
      '[::1',
      '[::1]x',
      '[1.2.3.4:80',
    ]) {
      expect(parseHop(text), text).toBeUndefined()
    }
  })

  test('are none when they have leading zeros, which some read as octal', () => {
    expect(parseAddress('010.0.0.1')).toBeUndefined()
    expect(parseRange('10.0.0.0/08')).toBeUndefined()
  })

  test('no text is too long or too strange to be looked at, and it takes no time', () => {
    const started = performance.now()
    for (const piece of [':', '::', '1:', '1.', '0', 'f', '%', '[', '/']) {
      const text = piece.repeat(100_000)
      expect(parseHop(text)).toBeUndefined()
      expect(parseRange(text)).toBeUndefined()
    }
    expect(performance.now() - started).toBeLessThan(1_000)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseHop(text) !== undefined && isIP(text) === 0 && !/[:%[]/.test(text)).toBe(false)
      }),
    )
  })
})

describe('ranges', () => {
  test('have the addresses that Node says they have', () => {
    const v4Range = fc.tuple(v4, fc.integer({ min: 0, max: 32 }))
    const v6Range = fc.tuple(v6, fc.integer({ min: 0, max: 128 }))
    fc.assert(
      fc.property(fc.oneof(v4Range, v6Range), fc.oneof(v4, v6), ([base, bits], text) => {
        const family = isIPv4(base) ? 'ipv4' : 'ipv6'
        // Node leaves it open what a mapped address is.
        fc.pre(!base.includes('.') || family === 'ipv4')
        fc.pre(
          (isIPv4(text) ? 'ipv4' : 'ipv6') === family && !(family === 'ipv6' && text.includes('.')),
        )
        const list = new BlockList()
        list.addSubnet(base, bits, family)
        const [range] = ranges(`${base}/${bits}`) as [IpRange]
        expect(isWithin(address(text), range)).toBe(list.check(text, family))
        expect(isWithin(address(base), range)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('of one family have no address of the other', () => {
    const [everyV6, everyV4] = ranges('::/0', '0.0.0.0/0') as [IpRange, IpRange]
    expect([isWithin(address('1.2.3.4'), everyV6), isWithin(address('1.2.3.4'), everyV4)]).toEqual([
      false,
      true,
    ])
    expect([isWithin(address('::1'), everyV6), isWithin(address('::1'), everyV4)]).toEqual([
      true,
      false,
    ])
  })

  test('may be a single address', () => {
    expect(isWithin(address('10.0.0.1'), ranges('10.0.0.1')[0] as IpRange)).toBe(true)
    expect(isWithin(address('10.0.0.2'), ranges('10.0.0.1')[0] as IpRange)).toBe(false)
  })
})

describe('the client behind proxies', () => {
  const proxies = ranges('10.0.0.0/8', 'fd00::/8')
  const behind = (peer: string, forwardedFor?: string) =>
    groupName(clientBehind(address(peer), forwardedFor, proxies), 128)

  test('is the right-most address that is no proxy', () => {
    expect(behind('10.0.0.1', '203.0.113.9')).toBe('203.0.113.9')
    expect(behind('10.0.0.1', '198.51.100.1, 203.0.113.9')).toBe('203.0.113.9')
    expect(behind('10.0.0.1', '198.51.100.1, 203.0.113.9, 10.9.9.9, fd00::1')).toBe('203.0.113.9')
    expect(behind('10.0.0.1', '203.0.113.9:4711,10.0.0.2')).toBe('203.0.113.9')
  })

  test('is the other end of the connection when that is no proxy, whatever the header says', () => {
    expect(behind('203.0.113.9', '198.51.100.1')).toBe('203.0.113.9')
    expect(behind('203.0.113.9')).toBe('203.0.113.9')
  })

  test('is a proxy that does not say whom it speaks for', () => {
    expect(behind('10.0.0.1')).toBe('10.0.0.1')
    expect(behind('10.0.0.1', '')).toBe('10.0.0.1')
    expect(behind('10.0.0.1', '203.0.113.9, unknown')).toBe('10.0.0.1')
    expect(behind('10.0.0.1', '203.0.113.9, unknown, 10.0.0.2')).toBe('10.0.0.2')
    expect(behind('10.0.0.1', '10.0.0.3, 10.0.0.2')).toBe('10.0.0.3')
  })

  test('cannot be chosen: whatever a client writes, its own address is what counts', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          lookalike,
          fc.string(),
          fc.array(fc.oneof(v4, v6)).map((all) => all.join(', ')),
        ),
        v4,
        (forged, own) => {
          fc.pre(!own.startsWith('10.'))
          // A proxy appends the address of whoever is connected to it.
          expect(behind('10.0.0.1', `${forged}, ${own}`)).toBe(own)
        },
      ),
    )
  })

  test('is found in a header of any length, in time that grows with it', () => {
    const started = performance.now()
    expect(behind('10.0.0.1', '10.0.0.2,'.repeat(50_000))).toBe('10.0.0.1')
    expect(behind('10.0.0.1', `203.0.113.9${',10.0.0.2'.repeat(50_000)}`)).toBe('203.0.113.9')
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

test('a key is made of an address and of nothing else', () => {
  expect(() => addressKey('localhost')).toThrow(/an IP address/)
  expect(() => addressKey(undefined as never)).toThrow(/an IP address/)
  expect(() => addressKey('1.2.3.4', 0)).toThrow(/ipv6Prefix/)
})
