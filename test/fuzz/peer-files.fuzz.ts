import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, hex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { AddressBook } from "#ledger/peers/address-book.ts";
import {
  decodeAddressBook,
  decodeAnchors,
  encodeAddressBook,
  encodeAnchors,
} from "#ledger/peers/address-files.ts";
import { BanList } from "#ledger/peers/ban-list.ts";
import { parseSubnet } from "#ledger/peers/subnet.ts";
import { parseEndpoint } from "#protocol/wire/net-address.ts";
import type { FuzzTarget } from "./fuzz.ts";

const MAGIC = hex("fabfb5da");
const NOW = 1_700_000_000;

function options(): { random: SeededRandom; now: () => number } {
  return { random: new SeededRandom(1), now: () => NOW };
}

function book(): AddressBook {
  const made = new AddressBook(options());
  for (const text of ["1.2.3.4:8333", "5.6.7.8:8334", "[2600::1]:8333"]) {
    const endpoint = parseEndpoint(text, 0)!;
    made.add([{ time: NOW, services: 9n, endpoint }], endpoint.address);
  }
  made.good(parseEndpoint("1.2.3.4:8333", 0)!);
  return made;
}

/** Content without its checksum, which is made anew: else hardly anything would get past it. */
function unsealed(file: Uint8Array): Uint8Array {
  return file.subarray(0, file.length - 32);
}

function sealed(body: Uint8Array): Uint8Array {
  return concatBytes(body, sha256d(body));
}

const anchors = encodeAnchors(
  [{ time: NOW, services: 9n, endpoint: parseEndpoint("1.2.3.4:8333", 0)! }],
  MAGIC,
);
const bans =
  '{"banned_nets":[{"version":1,"ban_created":0,"banned_until":2000000000,"address":"1.0.0.0/8"}]}';

/** Input: a byte that picks the file, then its content. */
export const target: FuzzTarget = {
  name: "peer-files",
  seeds: [
    concatBytes(Uint8Array.of(0), unsealed(encodeAddressBook(book(), MAGIC))),
    concatBytes(Uint8Array.of(1), unsealed(anchors)),
    concatBytes(Uint8Array.of(2), new TextEncoder().encode(bans)),
    concatBytes(Uint8Array.of(3), new TextEncoder().encode("noban,in@1.2.3.0/255.255.255.0")),
  ],
  run(input) {
    const content = input.subarray(1);
    const text = new TextDecoder().decode(content);
    switch (input[0]! % 4) {
      case 0: {
        // What is read is written to something that reads the same again.
        const read = decodeAddressBook(sealed(content), MAGIC, options());
        const again = decodeAddressBook(encodeAddressBook(read, MAGIC), MAGIC, options());
        if (again.size() !== read.size()) throw new Error(`${read.size()} addresses became ${again.size()}`);
        break;
      }
      case 1:
        decodeAnchors(sealed(content), MAGIC);
        break;
      case 2:
        new BanList(options()).load(text);
        break;
      default:
        parseSubnet(text);
    }
  },
};
