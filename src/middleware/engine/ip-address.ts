// Addresses and ranges of the Internet Protocol: read, compared, and put into groups.

/** An address as eight groups of 16 bits; one of IPv4 is what IPv6 maps it to, so that both forms are one address. */
export type IpAddress = readonly number[]

/** All addresses that begin with the same bits. */
export interface IpRange {
  readonly base: IpAddress
  readonly bits: number
}

const GROUPS = 8
const MAPPED = [0, 0, 0, 0, 0, 0xffff]
const MAPPED_BITS = 96
/** Longer than any address, also with a zone and a port. */
const LONGEST = 100

/** The address in a text, with a zone or not; undefined when it is none. */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.length > LONGEST) return undefined
  const zone = text.indexOf('%')
  const address = zone < 0 ? text : text.slice(0, zone)
  return address.includes(':') ? parseV6(address) : mapped(parseV4(address))
}

/** The address in an element of X-Forwarded-For, which may have a port. */
export function parseHop(text: string): IpAddress | undefined {
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    return end < 0 || !isPort(text.slice(end + 1)) ? undefined : parseAddress(text.slice(1, end))
  }
  const colon = text.indexOf(':')
  const hasPort = colon >= 0 && colon === text.lastIndexOf(':')
  if (!hasPort) return parseAddress(text)
  return isPort(text.slice(colon)) ? parseAddress(text.slice(0, colon)) : undefined
}

/** The range in a text: an address, or an address and a number of bits, such as `10.0.0.0/8`. */
export function parseRange(text: string): IpRange | undefined {
  const slash = text.indexOf('/')
  const base = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!base) return undefined
  const isV4 = !text.includes(':')
  const most = isV4 ? 32 : 128
  const bits = slash < 0 ? most : parseDecimal(text.slice(slash + 1), most)
  if (bits === undefined) return undefined
  return { base, bits: isV4 ? MAPPED_BITS + bits : bits }
}

/** Whether a range has an address. A range of IPv6 has none of IPv4, however wide it is. */
export function isWithin(address: IpAddress, { base, bits }: IpRange): boolean {
  if (isV4(address) && bits < MAPPED_BITS) return false
  return address.every((group, at) => ((group ^ (base[at] ?? 0)) & mask(bits - at * 16)) === 0)
}

/** The name of a client: an address of IPv4, or the first bits of one of IPv6, of which a client has many. */
export function groupName(address: IpAddress, v6Bits: number): string {
  if (isV4(address)) {
    const [high = 0, low = 0] = address.slice(6)
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
  }
  const groups = leadingBits(address, v6Bits).map((group) => group.toString(16))
  return `${groups.join(':')}${groups.length < GROUPS ? '::' : ''}/${v6Bits}`
}

function isV4(address: IpAddress): boolean {
  return MAPPED.every((group, at) => group === address[at])
}

/** The groups that the first bits reach into, with all other bits cleared. */
function leadingBits(address: IpAddress, bits: number): number[] {
  return address.slice(0, Math.ceil(bits / 16)).map((group, at) => group & mask(bits - at * 16))
}

/** The first `bits` of a group. */
function mask(bits: number): number {
  return 0xffff & (0xffff << (16 - Math.min(16, Math.max(0, bits))))
}

function mapped(v4: readonly number[] | undefined): IpAddress | undefined {
  if (!v4) return undefined
  const [a = 0, b = 0, c = 0, d = 0] = v4
  return [...MAPPED, (a << 8) | b, (c << 8) | d]
}

function parseV4(text: string): number[] | undefined {
  const parts = text.split('.').map((part) => parseDecimal(part, 255))
  const isWhole = parts.length === 4 && parts.every((part) => part !== undefined)
  return isWhole ? (parts as number[]) : undefined
}

function parseV6(text: string): IpAddress | undefined {
  const gap = text.indexOf('::')
  if (gap < 0) {
    const groups = parseGroups(text)
    return groups?.length === GROUPS ? groups : undefined
  }
  const head = parseGroups(text.slice(0, gap))
  const tail = parseGroups(text.slice(gap + 2))
  if (!head || !tail || text.slice(0, gap).includes('.')) return undefined
  const missing = GROUPS - head.length - tail.length
  return missing < 1 ? undefined : [...head, ...Array<number>(missing).fill(0), ...tail]
}

/** Groups with colons between them, of which the last may be an address of IPv4. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [at, part] of parts.entries()) {
    if (at === parts.length - 1 && part.includes('.')) {
      const v4 = mapped(parseV4(part))
      if (!v4) return undefined
      groups.push(...v4.slice(6))
    } else {
      const group = parseHex(part)
      if (group === undefined) return undefined
      groups.push(group)
    }
  }
  return groups
}

function parseHex(text: string): number | undefined {
  return /^[\da-fA-F]{1,4}$/.test(text) ? Number.parseInt(text, 16) : undefined
}

/** A number without a sign or a leading zero: some readers take that for octal. */
function parseDecimal(text: string, most: number): number | undefined {
  if (!/^(?:0|[1-9]\d{0,2})$/.test(text)) return undefined
  const value = Number(text)
  return value <= most ? value : undefined
}

function isPort(text: string): boolean {
  return text === '' || /^:\d{1,5}$/.test(text)
}
