/**
 * Which network an address belongs to, for the rule of diversity: /24 of IPv4, /48 of IPv6. Whoever holds one address
 * of a group can have many of it, so two peers of one group count as one place. Loopback is no exception: 127.0.1.1
 * and 127.0.2.1 are two groups, which lets a test stand for many networks on one machine.
 */
import { isIPv4, isIPv6 } from "node:net";

/** `10.1.2.0/24` or `2001:db8:1::/48`; `unknown` when it is no IP address. */
export function netgroupOf(ip: string | undefined): string {
  if (ip === undefined) return "unknown";
  const plain = ip.replace(/%.*$/, "");
  if (isIPv4(plain)) return `${plain.split(".").slice(0, 3).join(".")}.0/24`;
  if (!isIPv6(plain)) return "unknown";
  const words = ipv6Words(plain);
  // An IPv4 address in IPv6 clothes (::ffff:a.b.c.d) is that IPv4 address.
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `${words[6]! >> 8}.${words[6]! & 255}.${words[7]! >> 8}.0/24`;
  }
  return `${words
    .slice(0, 3)
    .map((word) => word.toString(16))
    .join(":")}::/48`;
}

/** The eight 16-bit words of an IPv6 address that {@link isIPv6} holds for one. */
function ipv6Words(text: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const whole =
    dotted === null
      ? text
      : `${dotted[1]}${(Number(dotted[2]) * 256 + Number(dotted[3])).toString(16)}:${(
          Number(dotted[4]) * 256 + Number(dotted[5])
        ).toString(16)}`;
  const [head = "", tail] = whole.split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const before = parse(head);
  if (tail === undefined) return before;
  const after = parse(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}
