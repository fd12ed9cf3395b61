#!/usr/bin/env python3
"""A mailbox changes at random; the mount shows what a simple model says. What fails is made short, and saved for ever.

usage: test_model.py BINARY [--seed N] [unittest options]
MAILBOXFS_MODEL_SECONDS: for how long (15). What it prints when it fails is a file for tests/integration/regressions/,
whose sequences are replayed each time.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

from support import model
from support.testcase import MountTest, main

_REGRESSIONS = Path(__file__).resolve().parent / "regressions"
_OPERATIONS = 60  # A sequence; then comes another one.
_SHRINKING = 120  # Seconds.


class Model(MountTest):
    def check(self, personality, operations, seed=None):
        """No difference; else the shortest sequence that has one is printed."""
        failure = model.failure_of(personality, operations)
        if failure is None:
            return
        reason, done = failure
        operations = operations[:done]
        if seed is not None:
            deadline = time.monotonic() + _SHRINKING
            operations = model.shrunk(
                operations, lambda some: model.failure_of(personality, some) is not None, deadline
            )
            reason = (model.failure_of(personality, operations) or (reason, 0))[0]
        lines = ",\n".join("    " + json.dumps(operation) for operation in operations)
        saved = f'{{\n  "server": "{personality}",\n  "operations": [\n{lines}\n  ]\n}}'
        self.fail(f"{reason}\nseed {seed}; to be saved as regressions/model-NAME.json:\n{saved}")

    def test_saved_sequences(self):
        paths = sorted(_REGRESSIONS.glob("model-*.json"))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path.stem):
                saved = json.loads(path.read_text(encoding="utf-8"))
                self.check(saved["server"], saved["operations"])

    def test_random_sequences(self):
        seed = int(os.environ.get("MAILBOXFS_MODEL_SEED", "1"))
        end = time.monotonic() + float(os.environ.get("MAILBOXFS_MODEL_SECONDS", "15"))
        done = 0
        while time.monotonic() < end or not done:
            # One seed is one sequence: --seed with the one that failed does it again, first.
            rng = random.Random(seed + done)
            self.check(rng.choice(model.PERSONALITIES), model.random_operations(rng, _OPERATIONS), seed + done)
            done += 1
        print(f"{done} sequences of {_OPERATIONS} operations, seeds {seed} to {seed + done - 1}", flush=True)

    def test_shrinking(self):
        """Of a hundred operations the two that matter are left."""
        operations = [["deliver", number, 0] for number in range(100)]

        def fails(some):
            numbers = [number for _, number, _ in some]
            return 17 in numbers and 83 in numbers[numbers.index(17) :]

        left = model.shrunk(operations, fails, time.monotonic() + 60)
        self.assertEqual(left, [["deliver", 17, 0], ["deliver", 83, 0]])


if __name__ == "__main__":
    if "--seed" in sys.argv:
        where = sys.argv.index("--seed")
        os.environ["MAILBOXFS_MODEL_SEED"] = sys.argv[where + 1]
        del sys.argv[where : where + 2]
    main()
