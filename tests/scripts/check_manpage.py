#!/usr/bin/env python3
"""Compares the options that --help prints with those in the manual page, both ways, command by command.

usage: check_manpage.py BINARY MANPAGE
"""

import re
import subprocess
import sys
from pathlib import Path

_EVERYWHERE = {"-h", "--help"}


def help_of(binary, *command):
    """What `BINARY COMMAND --help` prints."""
    return subprocess.run([binary, *command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout


def options_in_help(text):
    """{"-c", "--config", ...}: what stands at the beginning of an indented line."""
    found = set()
    for line in text.splitlines():
        if head := re.match(r"\s+((?:-{1,2}[\w-]+,?\s?)+)", line):
            found.update(re.findall(r"-{1,2}[A-Za-z][\w-]*", head.group(1)))
    return found


def commands_in_help(text):
    """The subcommands."""
    listed = re.search(r"^(?:Sub)?commands:\n((?:[ \t]+.*\n?)+)", text, re.M | re.I)
    return re.findall(r"^  ([a-z][a-z-]*)", listed.group(1), re.M) if listed else []


def options_in_manpage(mdoc):
    """The same from mdoc(7) source: Fl c is -c, Fl Fl config and Fl -config are --config."""
    text = "\n".join(line for line in mdoc.splitlines() if not line.startswith(r".\"")).replace(r"\-", "-")
    return {("--" if second else "-") + name for second, name in re.findall(r"\bFl +(Fl +)?(-?[A-Za-z][\w-]*)", text)}


def main():
    binary, manpage = sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8")
    top = help_of(binary)
    commands = commands_in_help(top)
    problems = [] if commands else ["--help lists no commands"]
    in_help = options_in_help(top)
    for command in commands:
        in_help |= options_in_help(help_of(binary, command))
        if not re.search(rf"^\.(It|Ss|Nm|Op|Cm|Ic|Xo).*\b{command}\b", manpage, re.M):
            problems.append(f"the manual page lacks the command {command}")
    in_manpage = options_in_manpage(manpage)
    problems += [f"the manual page lacks {name}" for name in sorted(in_help - in_manpage - _EVERYWHERE)]
    problems += [f"--help lacks {name}" for name in sorted(in_manpage - in_help - _EVERYWHERE)]
    for problem in problems:
        print(problem)
    print(f"{len(commands)} commands, {len(in_help)} options, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
