import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hash160 as hashOf } from "#base/crypto/sha256.ts";
import { hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { encodeAddress } from "./address.ts";
import type { Descriptor } from "./descriptor.ts";
import { addChecksum, descriptorChecksum, splitChecksum } from "./descriptor-checksum.ts";
import { inferDescriptor } from "./infer-descriptor.ts";
import { HARDENED } from "./key-path.ts";
import { main, regtest } from "./networks.ts";
import { parseDescriptor } from "./parse-descriptor.ts";

interface Row {
  /** The text between the last pair of marks. */
  readonly text: string;
  /** What is listed below it, in order. */
  readonly below: string[];
}

/** The rows of a BIP's test vectors by the line that stands above their list. */
function rowsOf(path: string): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  let title = "";
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, text] = /.*<tt>(.*)<\/tt>/.exec(line) ?? [];
    if (line.startsWith("* ")) {
      const rows = found.get(title) ?? [];
      found.set(title, rows);
      rows.push({ text: text!, below: [] });
    } else if (line.startsWith("*")) {
      if (text !== undefined) found.get(title)!.at(-1)!.below.push(text);
    } else if (line.trim() !== "") {
      title = line.trim();
    }
  }
  return found;
}

function only(text: string): Descriptor {
  const { descriptors } = parseDescriptor(text, main);
  assert.equal(descriptors.length, 1);
  return descriptors[0]!;
}

/** The scripts of a descriptor from position 0 on, as many as the vectors list. */
function scriptsOf(descriptor: Descriptor, count: number): string[] {
  const scripts: string[] = [];
  for (let position = 0; scripts.length < count; position++) {
    scripts.push(...descriptor.expand(position)!.scripts.map(toHex));
  }
  return scripts;
}

function checkValid({ text, below }: Row): void {
  const descriptor = only(text);
  assert.deepEqual(scriptsOf(descriptor, below.length), below, text);
  // The public form is canonical, and stands for the same scripts unless it takes private keys.
  const again = only(descriptor.toString());
  assert.equal(again.toString(), descriptor.toString());
  const expansion = again.expand(0);
  if (expansion !== undefined) assert.deepEqual(scriptsOf(again, below.length), below, text);
  else assert.match(descriptor.toString(), /[h'](\/[0-9*]+)*[),/]/);
}

function checkInvalid({ text }: Row): void {
  assert.throws(() => parseDescriptor(text, main), DecodeError, text);
}

for (const bip of [381, 382, 383, 384, 385, 386]) {
  const path = sharedVector(`bips/bip-0${bip}/test-vectors.mediawiki`);
  test(`BIP${bip}: every row of its test vectors`, { skip: path === undefined && NO_SHARED }, (t) => {
    let valid = 0;
    let invalid = 0;
    for (const [title, rows] of rowsOf(path!)) {
      const isValid = title.startsWith("Valid");
      assert.ok(isValid || title.startsWith("Invalid"), title);
      for (const row of rows) {
        if (isValid) checkValid(row);
        else checkInvalid(row);
      }
      if (isValid) valid += rows.length;
      else invalid += rows.length;
    }
    t.diagnostic(`${valid} valid, ${invalid} invalid`);
    assert.ok(valid > 3 && invalid > 2);
  });
}

const bip380 = sharedVector("bips/bip-0380/test-vectors.mediawiki");

test("BIP380: every row of its test vectors", { skip: bip380 === undefined && NO_SHARED }, (t) => {
  const lists = [...rowsOf(bip380!).values()];
  const [checksums, valid, invalid] = lists as [Row[], Row[], Row[]];
  assert.equal(lists.length, 3);
  for (const [i, { text }] of checksums.entries()) {
    if (i < 2) assert.equal(only(text).toString(), "raw(deadbeef)#89f8spxm");
    else checkInvalid({ text, below: [] });
  }
  for (const { text } of valid) {
    const descriptor = only(`pk(${text})`);
    assert.equal(only(descriptor.toString()).toString(), descriptor.toString());
  }
  for (const { text } of invalid) checkInvalid({ text: `pk(${text})`, below: [] });
  t.diagnostic(`${checksums.length} checksums, ${valid.length} valid, ${invalid.length} invalid keys`);
  assert.ok(checksums.length >= 8 && valid.length >= 20 && invalid.length >= 10);
});

const bip389 = sharedVector("bips/bip-0389/test-vectors.mediawiki");

test("BIP389: every row of its test vectors", { skip: bip389 === undefined && NO_SHARED }, (t) => {
  const [valid, invalid] = [...rowsOf(bip389!).values()] as [Row[], Row[]];
  for (const { text, below } of valid) {
    const { descriptors } = parseDescriptor(text, main);
    assert.deepEqual(
      descriptors.map(String),
      below.map((single) => only(single).toString()),
    );
    // Not only the text: the private keys too.
    for (const [i, descriptor] of descriptors.entries()) {
      assert.deepEqual(descriptor.expand(3)?.scripts, only(below[i]!).expand(3)?.scripts);
      assert.notEqual(descriptor.expand(3), undefined);
    }
  }
  for (const row of invalid) checkInvalid(row);
  t.diagnostic(`${valid.length} valid, ${invalid.length} invalid`);
  assert.ok(valid.length >= 6 && invalid.length >= 8);
});

const KEY = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
const X = KEY.slice(2);
const LONG_KEY = `04${X}5b8dec5235a0fa8722476c7709c02559e3aa73aa03918ba2d492eea75abea235`;
const WIF = "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1";
const LONG_WIF = "5KYZdUEo39z3FPrtuX2QbbwGnNP5zTd7yyr2SC1j299sBCnWjss";
const XPUB =
  "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y";
const XPRV =
  "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L";

/** Descriptors that are none, and Core's word on them (descriptor_tests.cpp and the source). */
const ERRORS: readonly [string, string][] = [
  ["pk()", "pk(): No key provided"],
  [`pk( ${KEY})`, `pk(): Key ' ${KEY}' is invalid due to whitespace`],
  [`pk(${KEY} )`, `pk(): Key '${KEY} ' is invalid due to whitespace`],
  [`pkh(${KEY.slice(0, -2)})`, `pkh(): Pubkey '${KEY.slice(0, -2)}' is invalid`],
  [`pkh(${X})`, `pkh(): Pubkey '${X}' is invalid`],
  [`pk(02${"00".repeat(32)})`, `pk(): Pubkey '02${"00".repeat(32)}' is invalid`],
  [`pk(07${LONG_KEY.slice(2)})`, "pk(): Hybrid public keys are not allowed"],
  [`wpkh(${LONG_KEY})`, "wpkh(): Uncompressed keys are not allowed"],
  [`wpkh(${LONG_WIF})`, "wpkh(): Uncompressed keys are not allowed"],
  [`wsh(pkh(${LONG_WIF}))`, "pkh(): Uncompressed keys are not allowed"],
  [`tr(${LONG_KEY})`, "tr(): Uncompressed keys are not allowed"],
  ["pkh(asdf)", "pkh(): key 'asdf' is not valid"],
  [`pkh(${KEY}/1)`, `pkh(): key '${KEY}' is not valid`],
  [`pkh(${XPUB}/2147483648)`, "pkh(): Key path value 2147483648 is out of range"],
  [`pkh(${XPUB}/4294967296)`, "pkh(): Key path value '4294967296' is not a valid uint32"],
  [`pkh(${XPUB}/1aa)`, "pkh(): Key path value '1aa' is not a valid uint32"],
  [`pkh(${XPUB}/+1)`, "pkh(): Key path value '+1' is not a valid uint32"],
  [`pkh(${XPUB}//1)`, "pkh(): Key path value '' is not a valid uint32"],
  [`pkh(${XPUB}/*/1)`, "pkh(): Key path value '*' is not a valid uint32"],
  [`pkh(${XPUB}/<0;1;0>)`, "pkh(): Duplicated key path value 0 in multipath specifier"],
  [`pkh(${XPUB}/<0h;0h>)`, `pkh(): Duplicated key path value ${HARDENED} in multipath specifier`],
  [`pkh(${XPUB}/<0>)`, "pkh(): Multipath key path specifiers must have at least two items"],
  [`pkh(${XPUB}/<0;1>/<2;3>)`, "pkh(): Multiple multipath key path specifiers found"],
  [
    `pkh([aaaaaaaa/<1;2>]${XPUB})`,
    "pkh(): Key path value '<1;2>' specifies multipath in a section where multipath is not allowed",
  ],
  [
    `wsh(multi(1,${XPUB}/<0;1>,${XPUB}/<0;1;2>))`,
    "multi(): Multipath derivation paths have mismatched lengths",
  ],
  [
    `tr(${XPUB}/<0;1>,{pk(${XPUB}/<0;1;2>),pk(${XPUB}/<0;1>)})`,
    "tr(): Multipath subscripts have mismatched lengths",
  ],
  [
    `tr(${XPUB}/<0;1>,pk(${XPUB}/<0;1;2>))`,
    "tr(): Multipath internal key mismatches multipath subscripts lengths",
  ],
  [`pkh([aaaaaaaa]${XPUB}]/1)`, "pkh(): Multiple ']' characters found for a single pubkey"],
  [`pkh(aaaaaaaa]${XPUB})`, "pkh(): Key origin start '[ character expected but not found, got 'a' instead"],
  [`pkh(]${XPUB})`, "pkh(): Key origin start '[ character expected but not found, got ']' instead"],
  [`pkh([aaaaaaa]${XPUB})`, "pkh(): Fingerprint is not 4 bytes (7 characters instead of 8 characters)"],
  [`pkh([aaagaaaa]${XPUB})`, "pkh(): Fingerprint 'aaagaaaa' is not hex"],
  [`pkh([aaaaaaaa/]${XPUB})`, "pkh(): Key path value '' is not a valid uint32"],
  [`combo(${LONG_KEY}`, `'combo(${LONG_KEY}' is not a valid descriptor function`],
  [`sh(combo(${KEY}))`, "Can only have combo() at top level"],
  [`wsh(wpkh(${KEY}))`, "Can only have wpkh() at top level or inside sh()"],
  [`sh(sh(pk(${KEY})))`, "Can only have sh() at top level"],
  [`wsh(wsh(pk(${KEY})))`, "Can only have wsh() at top level or inside sh()"],
  ["sh(addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j))", "Can only have addr() at top level"],
  ["addr(asdf)", "Address is not valid"],
  ["sh(raw(deadbeef))", "Can only have raw() at top level"],
  ["raw(asdf)", "Raw script is not hex"],
  ["raw()", "Raw script is not hex"],
  [`sh(tr(${X}))`, "Can only have tr at top level"],
  [`sh(rawtr(${X}))`, "Can only have rawtr at top level"],
  [`rawtr(${X},${X})`, "rawtr(): only one key expected."],
  [`sh(${KEY})`, "A function is needed within P2SH"],
  [`wsh(${KEY})`, "A function is needed within P2WSH"],
  [`${KEY}`, `'${KEY}' is not a valid descriptor function`],
  [`foo(${KEY})`, `'foo(${KEY})' is not a valid descriptor function`],
  ["", "'' is not a valid descriptor function"],
  [`multi(a,${KEY})`, "Multi threshold 'a' is not valid"],
  [`multi(0,${KEY})`, "Multisig threshold cannot be 0, must be at least 1"],
  [
    `multi(2,${KEY})`,
    "Multisig threshold cannot be larger than the number of keys; threshold is 2 but only 1 keys specified",
  ],
  ["multi(1)", "Cannot have 0 keys in multisig; must have between 1 and 20 keys, inclusive"],
  [`multi(1${`,${KEY}`.repeat(4)})`, "Cannot have 4 pubkeys in bare multisig; only at most 3 pubkeys"],
  [
    `wsh(multi(1${`,${KEY}`.repeat(21)}))`,
    "Cannot have 21 keys in multisig; must have between 1 and 20 keys, inclusive",
  ],
  [`sh(multi(1${`,${KEY}`.repeat(16)}))`, "P2SH script is too large, 547 bytes is larger than 520 bytes"],
  [`multi(1,pk(${KEY}))`, `Multi: key 'pk(${KEY})' is not valid`],
  [`multi_a(1,${KEY})`, "Can only have multi_a/sortedmulti_a inside tr()"],
  [`tr(${X},multi(1,${KEY}))`, "Can only have multi/sortedmulti at top level, in sh(), or in wsh()"],
  [`tr(${X},{pk(${X})})`, "tr(): expected ',' after script expression"],
  [`tr(${X},{pk(${X}),pk(${X}))`, "tr(): expected '}' after script expression"],
  [`tr(${X},pk(${X}),pk(${X}))`, "tr(): expected ')' after script expression"],
  [`tr(${X},${"{".repeat(129)}pk(${X}))`, "tr() supports at most 128 nesting levels"],
  [`tr(${X},wsh(pk(${X})))`, "Can only have wsh() at top level or inside sh()"],
  [`wsh(musig(${KEY}))`, "A function is needed within P2WSH"],
  [`wpkh(musig(${KEY},${KEY}))`, "wpkh(): musig() is only allowed in tr() and rawtr()"],
  [`pk(${KEY}),pk(${KEY})`, ""],
  [`sh(pk(${KEY}),1)`, ""],
  ["raw(deadbeef)##9f8spxm", "Multiple '#' symbols"],
  ["raw(deadbeef)#89f8spxmx", "Expected 8 character checksum, not 9 characters"],
  ["raw(deadbeef)#89f8spx", "Expected 8 character checksum, not 7 characters"],
  ["raw(deadbeef)#", "Expected 8 character checksum, not 0 characters"],
  ["raw(Ü)#00000000", "Invalid characters in payload"],
  ["raw(deedbeef)#89f8spxm", "Provided checksum '89f8spxm' does not match computed checksum 'xj8ljs75'"],
];

test("errors in Core's words", () => {
  for (const [text, message] of ERRORS) {
    let thrown: unknown;
    try {
      parseDescriptor(text, main);
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown instanceof DecodeError, text);
    assert.equal(thrown.message, message, text);
  }
});

test("what this program does not know yet is said so", () => {
  const miniscript = `and_v(v:pk(${KEY}),older(10))`;
  assert.throws(() => parseDescriptor(`wsh(${miniscript})`, main), {
    message: `Miniscript is not supported: '${miniscript}'`,
  });
  assert.throws(() => parseDescriptor(`sh(${miniscript})`, main), {
    message: "Miniscript expressions can only be used in wsh or tr.",
  });
  assert.throws(() => parseDescriptor(`tr(musig(${KEY},${KEY}))`, main), {
    message: "tr(): musig() is not supported",
  });
});

test("a checksum can be required", () => {
  assert.throws(() => parseDescriptor("raw(deadbeef)", main, true), { message: "Missing checksum" });
  assert.equal(parseDescriptor("raw(deadbeef)#89f8spxm", main, true).checksum, "89f8spxm");
});

test("the checksum changes with every character", () => {
  const text = `wsh(multi(1,${XPUB}/0/*))`;
  const checksum = descriptorChecksum(text);
  for (let at = 0; at < text.length; at++) {
    const changed = text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
    assert.notEqual(descriptorChecksum(changed), checksum);
  }
  assert.throws(() => addChecksum("ü"), RangeError);
  assert.deepEqual(splitChecksum(addChecksum(text)), { payload: text, checksum });
});

test("hardened steps are written back as they were read, h or apostrophe", () => {
  const forms: [string, string][] = [
    [`pk([deadbeef/0'/1h]${KEY})`, `pk([deadbeef/0h/1h]${KEY})`],
    [`pk([deadbeef/0h/1']${KEY})`, `pk([deadbeef/0'/1']${KEY})`],
    [`pk([deadbeef/0']${XPUB}/1/*h)`, `pk([deadbeef/0h]${XPUB}/1/*h)`],
    [`pk([deadbeef/0h]${XPUB}/1'/*)`, `pk([deadbeef/0']${XPUB}/1'/*)`],
    [`pk(${XPUB}/1h/*')`, `pk(${XPUB}/1h/*h)`],
  ];
  for (const [text, canonical] of forms) assert.equal(only(text).toString(), addChecksum(canonical), text);
});

test("private keys are known, and left out of the public text", () => {
  const { descriptors, hasPrivateKeys } = parseDescriptor(`wsh(multi(1,${WIF},${XPRV}/0h/*))`, main);
  assert.ok(hasPrivateKeys);
  assert.equal(descriptors[0]!.toString(), addChecksum(`wsh(multi(1,${KEY},${XPUB}/0h/*))`));
  assert.equal(descriptors[0]!.toPrivateString(), addChecksum(`wsh(multi(1,${WIF},${XPRV}/0h/*))`));
  assert.equal(descriptors[0]!.privateKeys(7).length, 2);
  const publicly = only(descriptors[0]!.toString());
  assert.equal(publicly.toPrivateString(), undefined);
  assert.equal(publicly.expand(7), undefined);
  assert.deepEqual(publicly.privateKeys(7), []);
});

test("an expansion holds what a signer needs", () => {
  const { scripts, subscripts, keys, taproot } = only(`sh(wsh(pkh([deadbeef/1h]${XPUB}/2/*)))`).expand(5)!;
  assert.equal(subscripts.length, 2);
  assert.equal(toHex(subscripts[0]!).slice(0, 6), "76a914");
  assert.equal(toHex(subscripts[1]!).slice(0, 4), "0020");
  assert.equal(scripts.length, 1);
  assert.deepEqual(keys[0]!.origin, { fingerprint: hex("deadbeef"), path: [HARDENED + 1, 2, 5] });
  assert.deepEqual(taproot, []);
  const tree = only(`tr(${X},{pk(${X}),multi_a(1,${X},${KEY})})`).expand(0)!;
  assert.equal(tree.taproot[0]!.leaves.length, 2);
  assert.equal(toHex(tree.taproot[0]!.leaves[1]!.script), `20${X}ac20${X}ba519c`);
});

test("kinds of descriptors", () => {
  const kinds: [string, boolean, boolean][] = [
    [`pk(${KEY})`, false, true],
    [`pkh(${XPUB}/*)`, true, true],
    [`sh(wpkh(${KEY}))`, false, true],
    [`sh(pk(${KEY}))`, false, true],
    [`wsh(pk(${XPUB}/*h))`, true, true],
    [`tr(${X},pk(${XPUB}/*))`, true, true],
    [`rawtr(${X})`, false, true],
    [`combo(${KEY})`, false, true],
    ["addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j)", false, false],
    ["raw(51)", false, false],
  ];
  for (const [text, isRange, isSolvable] of kinds) {
    const descriptor = only(text);
    assert.equal(descriptor.isRange, isRange, text);
    assert.equal(descriptor.isSolvable, isSolvable, text);
  }
});

test("sorted multisig sorts the keys of each position", () => {
  const a = only(`wsh(sortedmulti(2,${XPUB}/1/*,${XPUB}/0/*))`);
  const b = only(`wsh(sortedmulti(2,${XPUB}/0/*,${XPUB}/1/*))`);
  for (let i = 0; i < 8; i++) assert.deepEqual(a.expand(i)!.subscripts, b.expand(i)!.subscripts);
  const inTree = (name: string, first: string, second: string): string =>
    toHex(only(`tr(${X},${name}(1,${first},${second}))`).expand(0)!.scripts[0]!);
  const other = "02".concat("669b8afcec803a0d323e9a17f3ea8e68e8abe5a278020a929adbec52421adbd0");
  assert.equal(inTree("sortedmulti_a", X, other), inTree("sortedmulti_a", other, X));
  assert.notEqual(inTree("multi_a", X, other), inTree("multi_a", other, X));
});

test("a descriptor inferred from all that it expands to is itself", () => {
  const texts = [
    `pk(${KEY})`,
    `pk(${LONG_KEY})`,
    `pkh(${KEY})`,
    `wpkh([deadbeef/84h/0h]${KEY})`,
    `sh(wpkh(${KEY}))`,
    `sh(multi(1,${KEY},${LONG_KEY}))`,
    `wsh(multi(2,[deadbeef]${KEY},02669b8afcec803a0d323e9a17f3ea8e68e8abe5a278020a929adbec52421adbd0))`,
    `sh(wsh(pkh(${KEY})))`,
    `tr(${X},{pk(${X}),{multi_a(1,${X},${X}),pk(${X})}})`,
    `rawtr(${X})`,
    "addr(3PUNyaW7M55oKWJ3kDukwk9bsKvryra15j)",
    "raw(deadbeef)",
  ];
  for (const text of texts) {
    const descriptor = only(text);
    const expansion = descriptor.expand(0)!;
    const inferred = inferDescriptor(expansion.scripts[0]!, main, knowledgeOf(descriptor));
    assert.equal(inferred.toString(), descriptor.toString());
  }
});

/** All that an expansion tells, as a signer would look it up. */
function knowledgeOf(descriptor: Descriptor): Parameters<typeof inferDescriptor>[2] {
  const { keys, subscripts, taproot } = descriptor.expand(0)!;
  const scripts = subscripts.map((script) => ({ script, hash: toHex(hashOf(script)) }));
  return {
    publicKey: (hash) => keys.find(({ publicKey }) => toHex(hashOf(publicKey)) === toHex(hash))?.publicKey,
    script: (hash) => scripts.find((entry) => entry.hash === toHex(hash))?.script,
    origin: (publicKey) => {
      const key = keys.find((candidate) => toHex(candidate.publicKey) === toHex(publicKey));
      return key !== undefined && toHex(key.origin.fingerprint) === "deadbeef" ? key.origin : undefined;
    },
    taproot: (outputKey) => taproot.find((output) => toHex(output.outputKey) === toHex(outputKey)),
  };
}

test("a script of which nothing is known is an address or raw", () => {
  const network = regtest();
  const infer = (script: string): string => inferDescriptor(hex(script), network).toString().split("#")[0]!;
  const program = `0014${"11".repeat(20)}`;
  assert.equal(infer(program), `addr(${encodeAddress(hex(program), network)})`);
  assert.equal(infer("6a0101"), "raw(6a0101)");
  // Not on the curve, and hybrid: no key of a descriptor.
  assert.equal(
    infer(`5120${"ff".repeat(32)}`),
    `addr(${encodeAddress(hex(`5120${"ff".repeat(32)}`), network)})`,
  );
  assert.equal(infer(`4106${LONG_KEY.slice(2)}ac`), `raw(4106${LONG_KEY.slice(2)}ac)`);
  assert.equal(infer(`21${KEY}ac`), `pk(${KEY})`);
  assert.equal(infer(`5121${KEY}51ae`), `multi(1,${KEY})`);
});
