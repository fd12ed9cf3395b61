#!/usr/bin/env python3
"""The sanitizers of this build are on: they see what the canary does, and the product is built with them.

usage: test_canary.py CANARY MAILBOXFS SANITIZER,…      as meson's b_sanitize has them
"""

import os
import subprocess
import sys

_WHAT = {
    "address": ("use-after-free", "ERROR: AddressSanitizer: heap-use-after-free"),
    "undefined": ("overflow", "runtime error: signed integer overflow"),
    "thread": ("race", "WARNING: ThreadSanitizer: data race"),
}
# What the runtime in the product answers to help=1.
_RUNTIMES = {
    "address": ("ASAN_OPTIONS", "flags for AddressSanitizer"),
    "thread": ("TSAN_OPTIONS", "flags for ThreadSanitizer"),
}


def run(command, **variables):
    """Exit status and all output of what must end by itself."""
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def main(canary, product, sanitizers):
    """0 if each of them bites."""
    problems = 0
    for sanitizer in sanitizers.split(","):
        what, report = _WHAT[sanitizer]
        status, output = run([canary, what])
        if status == 0 or report not in output:
            problems += 1
            print(f"{sanitizer}: {what} went unnoticed (status {status}): {output}")
        if sanitizer in _RUNTIMES:
            variable, answer = _RUNTIMES[sanitizer]
            _, output = run([product, "--version"], **{variable: os.environ.get(variable, "") + ":help=1"})
            if answer not in output:
                problems += 1
                print(f"{sanitizer}: {product} is built without it: {output}")
    return 1 if problems else 0


sys.exit(main(*sys.argv[1:]))
