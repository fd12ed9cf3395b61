#!/usr/bin/env python3
"""Merges the product's unity sources into a few for clang-tidy, which walks over all headers again for each source.

usage: merge_sources.py BUILD_DIR OUTPUT_DIR COUNT     writes OUTPUT_DIR/{merged0.cpp, ..., compile_commands.json}
"""

import json
import shlex
import sys
from pathlib import Path


def options_of(entry):
    """Those that are not about one source."""
    directory = Path(entry["directory"])
    for word in shlex.split(entry["command"]):
        if word.startswith("-I"):
            yield f"-I{(directory / word[2:]).resolve()}"
        elif word.startswith(("-D", "-std=", "-W", "-pthread")):
            yield word


def size_of(entry):
    """Of the sources that it includes."""
    unity = (Path(entry["directory"]) / entry["file"]).read_text(encoding="utf-8")
    return sum(Path(line[len("#include<") : -1]).stat().st_size for line in unity.splitlines())


def main():
    build, output, count = Path(sys.argv[1]), Path(sys.argv[2]).resolve(), int(sys.argv[3])
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    entries = [entry for entry in entries if entry["output"].startswith("src/")]
    total = sum(map(size_of, entries))
    groups = [[] for _ in range(count)]
    done = 0
    for entry in entries:
        groups[done * count // total].append(entry)
        done += size_of(entry)
    output.mkdir(parents=True, exist_ok=True)
    commands = []
    for number, group in enumerate(groups):
        source = output / f"merged{number}.cpp"
        source.write_text("".join(f'#include "{entry["directory"]}/{entry["file"]}"\n' for entry in group))
        options = dict.fromkeys(option for entry in group for option in options_of(entry))
        command = ["clang++-14", *options, "-c", str(source)]
        commands.append({"directory": str(output), "file": str(source), "arguments": command})
    (output / "compile_commands.json").write_text(json.dumps(commands, indent=1))


if __name__ == "__main__":
    main()
