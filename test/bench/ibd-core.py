"""Bitcoin Core's consensus library on the same blk file: prints height, wall and CPU seconds as JSON."""

import json
import resource
import sys
import tempfile
import time

import pbk


def main(blocks):
    with tempfile.TemporaryDirectory(prefix="freehold-bench-") as directory:
        context = pbk.make_context(pbk.ChainType.REGTEST)
        options = pbk.ChainstateManagerOptions(context, directory, directory + "/blocks")
        options.set_worker_threads_num(0)
        chain = pbk.ChainstateManager(options)
        chain.import_blocks([])
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.monotonic()
        chain.import_blocks([blocks])
        wall = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
        active = chain.get_active_chain()
        print(
            json.dumps(
                {
                    "height": active.height,
                    "tip": str(active.block_tree_entries[-1].block_hash),
                    "wallSeconds": wall,
                    "cpuSeconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                }
            )
        )


main(sys.argv[1])
