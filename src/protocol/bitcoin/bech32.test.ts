import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { decodeAddress, encodeAddress, isAddressError } from "./address.ts";
import {
  type Bech32Encoding,
  convertBits,
  decodeBech32,
  encodeBech32,
  locateBech32Errors,
} from "./bech32.ts";
import { main, testnet4 } from "./networks.ts";

const BIPS: readonly { path: string | undefined; bip: string; encoding: Bech32Encoding }[] = [
  { path: sharedVector("bips/bip-0173/test-vectors.mediawiki"), bip: "BIP173", encoding: "bech32" },
  { path: sharedVector("bips/bip-0350/test-vectors.mediawiki"), bip: "BIP350", encoding: "bech32m" },
];

/** The rows of a BIP's lists, by what stands before each list; a row is the text after its star. */
function lists(path: string): { title: string; rows: string[] }[] {
  const found: { title: string; rows: string[] }[] = [];
  let title = "";
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line.startsWith("* ")) {
      if (found.at(-1)?.title !== title) found.push({ title, rows: [] });
      found.at(-1)!.rows.push(line.slice(2));
    } else if (line.trim() !== "") {
      title =
        `${title.endsWith(".") || title.endsWith(":") || title.endsWith("=") ? "" : title} ${line}`.trim();
    }
  }
  return found;
}

/** The text that a row names: marked text, and bytes written as 0x20 before or after it. */
function rowText(row: string): string {
  const [front, marked, back] = row.split(/<tt>|<\/tt>/) as [string, string, string];
  const byte = /0x([0-9A-F]{2})/;
  const before = byte.exec(front)?.[1];
  const after = /^ \+ 0x([0-9A-F]{2})/.exec(back)?.[1];
  const character = (text: string | undefined): string =>
    text === undefined ? "" : String.fromCharCode(Number.parseInt(text, 16));
  return character(before) + marked + character(after);
}

for (const { path, bip, encoding } of BIPS) {
  test(`${bip}: every row of its test vectors`, { skip: path === undefined && NO_SHARED }, (t) => {
    let count = 0;
    for (const { title, rows } of lists(path!)) {
      for (const row of rows) {
        checkRow(title, row, encoding);
        count++;
      }
    }
    t.diagnostic(`${count} rows`);
    assert.ok(count >= 30);
  });
}

function checkRow(title: string, row: string, encoding: Bech32Encoding): void {
  const text = rowText(row);
  if (/valid segwit addresses and the scriptPubKey/.test(title)) {
    checkAddress(text, /: <tt>([0-9a-f]+)<\/tt>/.exec(row)![1]!, encoding);
  } else if (/invalid segwit addresses/.test(title)) {
    for (const network of [main, testnet4]) assert.ok(isAddressError(decodeAddress(text, network)), row);
  } else if (/are not valid Bech32/.test(title)) {
    assert.equal(decodeBech32(text), undefined, row);
  } else if (/are valid Bech32/.test(title)) {
    const decoded = decodeBech32(text)!;
    assert.equal(decoded.encoding, encoding, row);
    assert.equal(encodeBech32(encoding, decoded.prefix, decoded.values), text.toLowerCase());
  } else {
    assert.match(title, /examples use/);
    assert.ok(
      [main, testnet4].some((network) => !isAddressError(decodeAddress(text, network))),
      row,
    );
  }
}

/** BIP350 took the Bech32 form of version 1 and above from BIP173's addresses: those decode, and are refused. */
function checkAddress(text: string, script: string, encoding: Bech32Encoding): void {
  const network = text.toLowerCase().startsWith("tb") ? testnet4 : main;
  const decoded = decodeAddress(text, network);
  if (encoding === "bech32" && !script.startsWith("00")) {
    const { values } = decodeBech32(text)!;
    const program = convertBits(values.subarray(1), 5, 8, false)!;
    assert.equal(toHex(concatBytes(Uint8Array.of(values[0]! + 0x50, program.length), program)), script);
    assert.deepEqual(decoded, {
      error: "Version 1+ witness address must use Bech32m checksum",
      errorLocations: [],
    });
    return;
  }
  assert.ok(!isAddressError(decoded), text);
  assert.equal(toHex(decoded.script), script);
  assert.equal(encodeAddress(hex(script), network), text.toLowerCase());
}

test("one or two wrong characters are found where they are", () => {
  const random = new SeededRandom(32);
  const charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  let located = 0;
  for (let i = 0; i < 300; i++) {
    const values = random.fill(new Uint8Array(1 + random.below(60))).map((byte) => byte & 31);
    const encoding = i % 2 === 0 ? "bech32" : "bech32m";
    const text = encodeBech32(encoding, "bc", values);
    const wrong = new Set([3 + random.below(text.length - 3), 3 + random.below(text.length - 3)]);
    const characters = [...text];
    for (const at of wrong) {
      characters[at] = charset[(charset.indexOf(characters[at]!) + 1 + random.below(31)) % 32]!;
    }
    const found = locateBech32Errors(characters.join(""));
    assert.equal(decodeBech32(characters.join("")), undefined);
    if (found.error === (encoding === "bech32" ? "Invalid Bech32 checksum" : "Invalid Bech32m checksum")) {
      // With two errors the other encoding may explain them by one or two as well; most often it does not.
      if (String(found.positions) === String([...wrong].sort((a, b) => a - b))) located++;
    }
  }
  assert.ok(located > 270, `${located} of 300`);
});

test("nothing is wrong with a valid text", () => {
  assert.deepEqual(locateBech32Errors("a12uel5l"), { error: "", positions: [] });
});

test("a text without a place for two errors has no positions", () => {
  const { error, positions } = locateBech32Errors("bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq");
  assert.equal(error, "Invalid checksum");
  assert.deepEqual(positions, []);
});

test("bits regroup and come back; leftovers that are no padding are refused", () => {
  const bytes = hex("ff00a5c3");
  const groups = convertBits(bytes, 8, 5, true)!;
  assert.equal(groups.length, 7);
  assert.deepEqual(convertBits(groups, 5, 8, false), bytes);
  groups[6]! |= 1;
  assert.equal(convertBits(groups, 5, 8, false), undefined);
  assert.equal(convertBits(Uint8Array.of(0, 0, 0), 5, 8, false), undefined);
});
