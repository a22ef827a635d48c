"""Bitcoin Core's consensus library as the judge of blocks.

Reads frames from stdin (u32 length, block) and answers each on stdout (u32 length, JSON):
  {"ok": bool,           False where the block failed before it could be connected
   "isNew": bool,        stored now
   "tip": hex, "height": int,
   "checked": [[hash, mode, result, text], ...]}   every verdict that the block caused, in order
Hashes are as people read them. `mode` and `result` are Core's ValidationMode and BlockValidationResult;
`text` is the state as Core logs it: the reject reason, and the debug message after a comma.

The first frame's answer is that to an empty frame: the tip after start. A block that does not parse is
answered by {"error": text}.
"""

import ctypes
import json
import re
import struct
import sys
import tempfile
import traceback

import pbk
import pbk.capi.bindings as k
from pbk.block import Block, BlockHash

CHECKED = re.compile(r"BlockChecked: block hash=([0-9a-f]{64}) state=(.*)$")

texts = {}
checked = []
broken = []


def on_log(message):
    found = CHECKED.search(message.rstrip("\n"))
    if found:
        texts[found.group(1)] = found.group(2)


def on_checked(_user_data, block, state):
    # An exception in a callback would only be printed; the caller must hear of it.
    try:
        shown = str(block.block_hash)
        text = texts.pop(shown)
        checked.append([shown, int(state.validation_mode), int(state.block_validation_result), text])
    except Exception:
        broken.append(traceback.format_exc())


def start(directory):
    pbk.set_log_level_category(pbk.LogCategory.ALL, pbk.LogLevel.DEBUG)
    pbk.enable_log_category(pbk.LogCategory.VALIDATION)
    connection = pbk.LoggingConnection(on_log)
    callbacks = pbk.ValidationInterfaceCallbacks(block_checked=on_checked)
    context = pbk.make_context(pbk.ChainType.REGTEST, callbacks)
    options = pbk.ChainstateManagerOptions(context, directory, directory + "/blocks")
    # With a thread for scripts a fault that needs no script is named first, as we do.
    options.set_worker_threads_num(1)
    options.update_block_tree_db_in_memory(True)
    options.update_chainstate_db_in_memory(True)
    chain = pbk.ChainstateManager(options)
    chain.import_blocks([])
    return connection, chain


def tip(chain):
    active = chain.get_active_chain()
    return {"tip": str(active.block_tree_entries[-1].block_hash), "height": active.height}


def process(chain, raw):
    checked.clear()
    is_new = ctypes.c_int()
    handle = k.btck_block_create(raw, len(raw))
    if not handle:
        return {"error": "does not parse", **tip(chain)}
    block = Block._from_handle(handle)
    result = k.btck_chainstate_manager_process_block(chain, block, ctypes.pointer(is_new))
    if broken:
        raise RuntimeError(broken[0])
    return {"ok": result == 0, "isNew": bool(is_new.value), "checked": checked, **tip(chain)}


def main():
    source = sys.stdin.buffer
    sink = sys.stdout.buffer
    with tempfile.TemporaryDirectory(prefix="freehold-judge-") as directory:
        connection, chain = start(directory)
        while True:
            head = source.read(4)
            if len(head) < 4:
                break
            (length,) = struct.unpack("<I", head)
            raw = source.read(length)
            answer = process(chain, raw) if length > 0 else {"ok": True, "checked": [], **tip(chain)}
            text = json.dumps(answer).encode()
            sink.write(struct.pack("<I", len(text)) + text)
            sink.flush()
        del chain
        del connection


main()
