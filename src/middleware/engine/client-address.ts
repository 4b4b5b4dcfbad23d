// Who a client is: its address, as far as that can be believed.
import { InvalidArgumentError } from '../../core/errors.ts'
import { expectBoolean, expectInteger, refuse } from '../../core/expect.ts'
import type { Exchange } from './exchange.ts'
import { type GuardOptions, warnOnce } from './guard.ts'
import {
  groupName,
  type IpAddress,
  type IpRange,
  isWithin,
  parseAddress,
  parseHop,
  parseRange,
} from './ip-address.ts'

/** How clients are told apart by their addresses. */
export interface ClientOptions {
  /**
   * Hono: the addresses of your proxies as CIDR ranges, such as `10.0.0.0/8`. The client is the right-most address of
   * `X-Forwarded-For` that none of them has. Express has its own setting for this: `trust proxy`.
   *
   * @defaultValue none: the client is the other end of the connection
   */
  readonly trustedProxies?: readonly string[] | undefined
  /**
   * How many bits of an IPv6 address make a client: providers give whole ranges to each.
   *
   * @defaultValue 56
   */
  readonly ipv6Prefix?: number | undefined
  /**
   * Whether a proxy setting that cannot be right fails the request, instead of being warned of.
   *
   * @defaultValue false
   */
  readonly strict?: boolean | undefined
}

/** Addresses that clients from the Internet do not have: whoever has one may be a proxy. */
const INTERNAL = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
].map((text) => parseRange(text) as IpRange)

/** How many addresses a guard remembers the names of. */
const REMEMBERED = 1_000

/** Names the client of a request. */
export type ClientNamer = <A extends readonly unknown[]>(exchange: Exchange<A>) => string

/** Checks the options, and makes what names clients by them; `guard` is who asks, for messages. */
export function clientNamer(
  guard: string,
  { trustedProxies, ipv6Prefix = 56, strict, onEvent }: ClientOptions & GuardOptions<never>,
): ClientNamer {
  const proxies = trustedProxies === undefined ? undefined : readRanges(trustedProxies)
  const bits = expectInteger('ipv6Prefix', ipv6Prefix, 1, 128)
  const isStrict = expectBoolean('strict', strict, false)
  const doubt = (message: string): void => {
    if (isStrict) throw new InvalidArgumentError(message)
    warnOnce('holdfast.guard.warning', message, onEvent)
  }
  const nameOf = naming(bits)
  const nameBehind = (
    peer: string | undefined,
    forwardedFor: string | undefined,
    trusted: readonly IpRange[],
  ): string | undefined => {
    const connected = peer === undefined ? undefined : parseAddress(peer)
    return connected && groupName(clientBehind(connected, forwardedFor, trusted), bits)
  }
  return (exchange) => {
    const { peer, resolved } = exchange.client
    const forwardedFor = exchange.header('x-forwarded-for')
    if (resolved && proxies) {
      throw new InvalidArgumentError(
        `${guard} got \`trustedProxies\`, but Express decides who the client is: app.set('trust proxy', [...]) instead`,
      )
    }
    if (resolved?.trusts === 'everybody') {
      doubt(
        `${guard} sees that \`trust proxy\` is true: every client can then choose its address with X-Forwarded-For, and so its limit. Set it to the addresses of your proxies, or to how many there are`,
      )
    }
    const believesNobody = resolved ? resolved.trusts === 'nobody' : proxies === undefined
    if (forwardedFor !== undefined && believesNobody && isInternal(peer)) {
      doubt(
        `${guard} sees X-Forwarded-For on a connection from an address of an internal network, which looks like a proxy: all clients behind it would share one limit. ${
          resolved
            ? "Tell Express about your proxies with app.set('trust proxy', [...])"
            : 'Give it `trustedProxies`'
        }, or a \`key\``,
      )
    }
    const name = resolved
      ? (nameOf(resolved.address) ?? nameOf(peer))
      : proxies
        ? nameBehind(peer, forwardedFor, proxies)
        : nameOf(peer)
    if (name !== undefined) return name
    // A connection that is gone has no address any more.
    if (exchange.state.gone) throw exchange.state.gone
    throw new InvalidArgumentError(
      `${guard} does not know the address of the client here: give it a \`key\`, such as the user or the API key`,
    )
  }
}

/**
 * The name of a client that has an address, as guards use it: IPv6 in groups, IPv4 in either of its forms.
 *
 * For a `key` of one's own where the address comes from somewhere that only your platform's edge can write to.
 *
 * @param address - an address, also with a port, or with brackets as in a header
 * @param ipv6Prefix - how many bits of an IPv6 address make a client
 * @throws InvalidArgumentError when the text is no address
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { addressKey, rateLimit } from 'holdfast/hono'
 *
 * const app = new Hono().get(
 *   '/search',
 *   rateLimit({ limit: 100, window: 60_000, key: (c) => addressKey(c.req.header('cf-connecting-ip') ?? '') }),
 *   (c) => c.text('found'),
 * )
 * const headers = { 'cf-connecting-ip': '2001:db8:1:200::1' }
 * console.log((await app.request('/search', { headers })).status)
 * ```
 */
export function addressKey(address: string, ipv6Prefix = 56): string {
  const bits = expectInteger('ipv6Prefix', ipv6Prefix, 1, 128)
  const parsed = typeof address === 'string' ? parseHop(address.trim()) : undefined
  return parsed ? groupName(parsed, bits) : refuse('address', 'an IP address', address)
}

/** The right-most address that no trusted proxy has: what stands to its left may have been written by anybody. */
export function clientBehind(
  peer: IpAddress,
  forwardedFor: string | undefined,
  proxies: readonly IpRange[],
): IpAddress {
  let client = peer
  let rest = forwardedFor
  while (rest !== undefined && proxies.some((range) => isWithin(client, range))) {
    const comma = rest.lastIndexOf(',')
    const hop = parseHop(rest.slice(comma + 1).trim())
    // A proxy that does not say whom it speaks for speaks for itself.
    if (!hop) return client
    client = hop
    rest = comma < 0 ? undefined : rest.slice(0, comma)
  }
  return client
}

function isInternal(peer: string | undefined): boolean {
  const address = peer === undefined ? undefined : parseAddress(peer)
  return address !== undefined && INTERNAL.some((range) => isWithin(address, range))
}

/** Names addresses, and remembers those that came last: the same few clients send most requests. */
function naming(bits: number): (text: string | undefined) => string | undefined {
  const known = new Map<string, string>()
  return (text) => {
    if (text === undefined) return undefined
    const name = known.get(text)
    if (name !== undefined) return name
    const address = parseHop(text)
    if (!address) return undefined
    if (known.size >= REMEMBERED) known.clear()
    known.set(text, groupName(address, bits))
    return known.get(text)
  }
}

function readRanges(texts: readonly string[]): readonly IpRange[] {
  if (!Array.isArray(texts)) refuse('trustedProxies', 'a list of CIDR ranges', texts)
  return texts.map(
    (text) =>
      (typeof text === 'string' ? parseRange(text) : undefined) ??
      refuse('trustedProxies', 'a list of CIDR ranges, such as `10.0.0.0/8`', text),
  )
}
