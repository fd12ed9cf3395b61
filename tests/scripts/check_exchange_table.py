#!/usr/bin/env python3
"""The table of tests/README.md: I1 to I34 are all there, and so is every test that it names.

usage: check_exchange_table.py [SOURCE_ROOT]
"""

import re
import sys
from pathlib import Path

_ITEMS = 34


def tests_of(path):
    """The names of the tests in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return set(re.findall(r"(?m)^    def (test_\w+)\(", text))
    return {".".join(names) for names in re.findall(r"(?m)^TEST(?:_F|_P)?\((\w+), (\w+)\)", text)}


def problems_of(table, tests):
    """What is wrong with the table, a text, in the directory `tests`."""
    rows = re.findall(r"(?m)^\| (I\d+) \| (?:[^|]*) \| ([^|]*) \|$", table)
    missing = {f"I{number}" for number in range(1, _ITEMS + 1)} - {item for item, _ in rows}
    yield from (f"{item} is missing" for item in sorted(missing))
    for item, named in rows:
        for one in named.split("; "):
            place, _, test = one.strip().partition(": ")
            path = tests / f"{place}.cpp" if "/" in place else tests / "integration" / f"{place}.py"
            if not path.exists():
                yield f"{item}: there is no {path.relative_to(tests)}"
            elif not any(name == test or test[-1:] == "*" and name.startswith(test[:-1]) for name in tests_of(path)):
                yield f"{item}: there is no {test or 'test'} in {path.relative_to(tests)}"


def main():
    tests = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve() / "tests"
    problems = list(problems_of((tests / "README.md").read_text(encoding="utf-8"), tests))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
