"""Bitcoin Core's consensus library as the judge of scripts.

Reads frames from stdin and answers each on stdout (u32 length, then that many bytes; integers little-endian).
A frame holds spends end to end:
  u32 flags, u32 length and bytes of the transaction,
  u32 inputs, and for each input: i64 amount, u32 length and bytes of the script that it spends.
The answer has a byte for each input of each spend: 1 where its script verifies under the flags, else 0.

The library aborts on flags it does not know, on fewer outputs than inputs and on an index out of range; the
first is refused here, the others cannot come up as every input is given its output.
"""

import ctypes
import struct
import sys

import pbk.capi.bindings as k

ALL = 0x20E15
OUTPUT = ctypes.POINTER(k.btck_TransactionOutput)


def create_output(script, amount):
    pubkey = k.btck_script_pubkey_create(script, len(script))
    output = k.btck_transaction_output_create(pubkey, amount)
    return pubkey, output


def verify(tx, outputs, flags):
    spent = (OUTPUT * len(outputs))(*[output for _, output, _ in outputs])
    data = k.btck_precomputed_transaction_data_create(tx, spent, len(outputs))
    status = k.btck_ScriptVerifyStatus(0)
    verdicts = bytearray()
    for index, (pubkey, _, amount) in enumerate(outputs):
        verified = k.btck_script_pubkey_verify(pubkey, amount, tx, data, index, flags, status)
        if status.value != 0:
            raise RuntimeError(f"flags {flags:#x}: status {status.value}")
        verdicts.append(1 if verified else 0)
    k.btck_precomputed_transaction_data_destroy(data)
    return verdicts


def judge(frame):
    answer = bytearray()
    at = 0
    while at < len(frame):
        flags, length = struct.unpack_from("<II", frame, at)
        at += 8
        if flags & ~ALL:
            raise RuntimeError(f"unknown flags {flags:#x}")
        raw = frame[at : at + length]
        at += length
        (count,) = struct.unpack_from("<I", frame, at)
        at += 4
        tx = k.btck_transaction_create(raw, len(raw))
        if not tx or k.btck_transaction_count_inputs(tx) != count:
            raise RuntimeError("the transaction does not parse as announced: " + raw.hex())
        outputs = []
        for _ in range(count):
            amount, length = struct.unpack_from("<qI", frame, at)
            at += 12
            outputs.append((*create_output(frame[at : at + length], amount), amount))
            at += length
        answer += verify(tx, outputs, flags)
        for pubkey, output, _ in outputs:
            k.btck_transaction_output_destroy(output)
            k.btck_script_pubkey_destroy(pubkey)
        k.btck_transaction_destroy(tx)
    return answer


def main():
    source = sys.stdin.buffer
    sink = sys.stdout.buffer
    while True:
        head = source.read(4)
        if len(head) < 4:
            break
        (length,) = struct.unpack("<I", head)
        answer = judge(source.read(length))
        sink.write(struct.pack("<I", len(answer)) + answer)
        sink.flush()


main()
