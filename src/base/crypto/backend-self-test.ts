import { hex } from "#base/lib/bytes.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { SignatureBatch } from "./signature-batch.ts";

const DIGEST = new Uint8Array(32).fill(0x17);
const KEY = hex("0324653eac434488002cc06bbfb7f10fe18991e35f9fe4302dbea6d2353dc0ab1c");
const UNCOMPRESSED_KEY = hex(
  "0424653eac434488002cc06bbfb7f10fe18991e35f9fe4302dbea6d2353dc0ab1c" +
    "119fc5009a032aa9fe47f5e149bb8442f71f884ccb516590686d8ff6ab91c613",
);
const SIGNATURE = hex(
  "1f7eadc45e3a30374dd7b2db06bfda147ba7452d58f09564d15ed94de365a053" +
    "0fe5d641a1b109ea61d95d4e27983a67075cc5d2b61abb5f7194e1e2dd05fc80",
);
/** KEY's x tweaked by DIGEST; its y is odd. */
const TWEAKED_KEY = hex("bb58b5feca505c74edc000d8282fc556e51a1024fc8e7d7e56c6f887c5c8d5f2");

/** Rows of BIP340's test vectors: index, public key, message, signature, whether it is valid. */
const SCHNORR: readonly (readonly [number, string, string, string, boolean])[] = [
  [
    0,
    "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215" +
      "25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
    true,
  ],
  [
    1,
    "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
    "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
    "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de3341" +
      "8906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
    true,
  ],
  [
    5,
    "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34",
    "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
    "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769" +
      "69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b",
    false,
  ],
  [
    6,
    "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
    "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
    "fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556" +
      "3cc27944640ac607cd107ae10923d9ef7a73c643e166be5ebeafa34b1ac553e2",
    false,
  ],
  [
    8,
    "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
    "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
    "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769" +
      "961764b3aa9b2ffcb6ef947b6887a226e8d7c93e00c5ed0c1834ff0d0c2e6da6",
    false,
  ],
];

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = copy[at]! ^ 1;
  return copy;
}

function answersSingly(backend: SignatureBackend): boolean {
  const xOnly = KEY.subarray(1);
  return (
    backend.ecdsa(SIGNATURE, KEY, DIGEST) &&
    backend.ecdsa(SIGNATURE, UNCOMPRESSED_KEY, DIGEST) &&
    !backend.ecdsa(flipped(SIGNATURE, 63), KEY, DIGEST) &&
    !backend.ecdsa(SIGNATURE, flipped(KEY, 0), DIGEST) &&
    !backend.ecdsa(SIGNATURE, KEY, flipped(DIGEST, 0)) &&
    backend.tweakAddCheck(TWEAKED_KEY, 1, xOnly, DIGEST) &&
    !backend.tweakAddCheck(TWEAKED_KEY, 0, xOnly, DIGEST) &&
    !backend.tweakAddCheck(flipped(TWEAKED_KEY, 31), 1, xOnly, DIGEST) &&
    SCHNORR.every(
      ([, key, message, signature, valid]) =>
        backend.schnorr(hex(signature), hex(key), hex(message)) === valid,
    )
  );
}

/** Each kind in one batch, all good; then with one that fails, which must be named. */
function answersBatches(backend: SignatureBackend): boolean {
  const batch = new SignatureBatch(backend, 1);
  batch.addEcdsa(SIGNATURE, KEY, DIGEST);
  batch.addTweak(TWEAKED_KEY, 1, KEY.subarray(1), DIGEST);
  for (const [, key, message, signature, valid] of SCHNORR) {
    if (valid) batch.addSchnorr(hex(signature), hex(key), hex(message));
  }
  if (batch.run() !== -1) return false;
  const failing = batch.length;
  batch.addEcdsa(SIGNATURE, KEY, flipped(DIGEST, 31));
  batch.addEcdsa(SIGNATURE, KEY, DIGEST);
  return batch.run() === failing;
}

/** Whether a back end that this machine built or installed answers rightly; run on load, takes under 5 ms. */
export function passesSelfTest(backend: SignatureBackend): boolean {
  return answersSingly(backend) && answersBatches(backend);
}
