#!/usr/bin/env python3
"""Holds the module table of ARCHITECTURE.md: who may include whom, and which third-party header belongs to whom.

usage: check_includes.py [SOURCE_ROOT]
"""

import re
import sys
from pathlib import Path

# Third-party headers by the name that the table's last column gives them.
_THIRD_PARTY = {
    "fmt": r"fmt/",
    "spdlog": r"spdlog/",
    "nlohmann/json": r"nlohmann/",
    "utf8proc": r"utf8proc\.h",
    "curl": r"curl/",
    "zlib": r"zlib\.h",
    "openssl": r"openssl/",
    "sqlite3": r"sqlite3",
    "xxhash": r"xxhash",
    "fuse3": r"fuse",
    "CLI11": r"CLI/",
}
_TESTING = r"(gtest|gmock|benchmark|fuzzer)/"
# C++ headers have no dot; these are the C library's and the kernel's.
_SYSTEM = re.compile(
    r"[a-z_/]+$|(sys|netinet|arpa|net|linux|asm)/|"
    r"(cxxabi|dirent|iconv|execinfo|fcntl|grp|locale|malloc|netdb|poll|pthread|pwd|sched|signal|spawn|stdlib|string|"
    r"syslog|fnmatch|termios|time|unistd|mntent|getopt|stdint|errno|limits|ucontext)\.h$"
)
_INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def section(text, heading):
    """What stands below `heading`, up to the next one: the page has other tables, too."""
    return text.split(heading, 1)[1].split("\n## ", 1)[0]


def read_table(architecture):
    """{module: (modules it may use, third-party names)} from the page's table."""
    table = {}
    for row in re.findall(r"^\|(.+)\|$", architecture, re.M):
        names, _, uses, headers = (cell.strip() for cell in row.split("|"))
        if names == "module" or set(names) <= set("-"):
            continue
        for name in names.split(", "):
            table[name] = (_words(uses), _words(headers))
    for name, (uses, headers) in table.items():
        table[name] = (set(table) if "all" in uses else uses, headers)
    return table


def _words(cell):
    return {word for word in cell.split(", ") if word}


def cycle(table):
    """A module that uses itself over others, or None. The modules that may use all stand on top."""
    below = {name: uses for name, (uses, _) in table.items() if uses != set(table)}
    while below:
        free = [name for name, uses in below.items() if not uses & set(below)]
        if not free:
            return ", ".join(sorted(below))
        for name in free:
            del below[name]
    return None


def problems_of(root, path, module, table, is_test):
    """What is wrong with one file's includes, a line each."""
    uses, headers = table[module]
    for bracket, name in _INCLUDE.findall(path.read_text(encoding="utf-8")):
        where = f"{path.relative_to(root)}: {name}: "
        if own := re.match(r"mailboxfs/([a-z0-9_]+)/", name):
            if not (root / "include" / name).is_file():
                yield where + "there is no such header"
            if own.group(1) not in uses | {module}:
                yield where + f"{module} may not use {own.group(1)}"
        elif bracket == '"':
            # A private header: beside the file, or "module/name.h" under src (tests: of the same module).
            if name.startswith(module + "/") and (root / "src" / name).is_file():
                continue
            if "/" in name and not is_test:
                yield where + "another module's private header"
            elif not any((folder / name).is_file() for folder in (path.parent, root / "src" / module, root / "tests")):
                yield where + "there is no such header"
        elif owners := [third for third, pattern in _THIRD_PARTY.items() if re.match(pattern, name)]:
            if owners[0] not in headers and not is_test:
                yield where + f"{owners[0]} is not {module}'s to include"
        elif not _SYSTEM.match(name) and not (is_test and re.match(_TESTING, name)):
            yield where + "unknown third-party header"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    table = read_table(section((root / "ARCHITECTURE.md").read_text(encoding="utf-8"), "## Modules"))
    problems, files = [], 0
    if loop := cycle(table):
        problems.append(f"ARCHITECTURE.md: a cycle among {loop}")
    for top in ("include/mailboxfs", "src", "tests"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            module = path.relative_to(root / top).parts[0]
            if module in table:
                files += 1
                problems += problems_of(root, path, module, table, top == "tests")
            elif top != "tests":
                problems.append(f"{path.relative_to(root)}: the module is not in ARCHITECTURE.md's table")
    for problem in problems:
        print(problem)
    if not files:
        problems.append("no files")
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
