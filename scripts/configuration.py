"""Writes docs/configuration.md from what the code reads; ``--check`` only says whether it is up to date.

Kind, default and limits are those of the calls of ``config.env`` in the code; the explanation and the grouping are those of
.env.example. Where the two disagree (a variable one of them lacks, another default) nothing is written and it says so.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
APPS = ("accounts", "analytics", "ats", "config", "connectors", "issues", "realtime", "triggers")
#: set by whoever starts a process, for logs and metrics; nothing to configure
INTERNAL = {"STAGEWATCH_PROCESS"}
KINDS = {
    "text": "text", "secret": "text", "flag": "true or false", "integer": "whole number", "listing": "comma-separated list", "url": "URL",
    "address": "host:port", "networks": "comma-separated addresses and networks", "fernet_keys": "comma-separated keys",
}  # fmt: skip

HEAD = """# Configuration

Made from the code by `make configuration`; do not edit. Every setting is an environment variable. One that is not there is
looked for in the file named by `NAME_FILE`, then in `.env` of the checkout. A bad value stops the start with one sentence.
What the settings mean together: [operate.md](operate.md#settings); those of a public installation:
[deploy/production.env.example](../deploy/production.env.example).
"""


@dataclass(frozen=True)
class Read:
    """One variable as the code reads it."""

    name: str
    kind: str
    default: str = ""
    limits: str = ""


@dataclass(frozen=True)
class Told:
    """One line of .env.example."""

    group: str
    name: str
    default: str
    meaning: str


def reads() -> Iterator[Read]:
    """Every call of a reader of config.env, and what the Procfile's shell takes from the environment."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_reader(node.func):
                    yield _read(node)
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", (ROOT / "Procfile").read_text(encoding="utf-8")):
        yield Read(name, KINDS["integer"] if default.isdigit() else KINDS["text"], default)


def _is_reader(function: ast.expr) -> bool:
    named = isinstance(function, ast.Attribute) and function.attr in KINDS
    return named and isinstance(function.value, ast.Name) and function.value.id == "env"


def _read(call: ast.Call) -> Read:
    assert isinstance(call.func, ast.Attribute)
    kind = call.func.attr
    values = [ast.literal_eval(value) if isinstance(value, ast.Constant | ast.Tuple) else "" for value in call.args]
    named = {word.arg: ast.literal_eval(word.value) for word in call.keywords if isinstance(word.value, ast.Constant)}
    default = named.get("default", values[1] if len(values) > 1 and kind != "url" else "")
    shown = str(default).lower() if kind == "flag" else str(default)
    limits = [f"at least {named['minimum']}"] if named.get("minimum") is not None else []
    limits += [f"at most {named['maximum']}"] if named.get("maximum") is not None else []
    return Read(str(values[0]), KINDS[kind], shown, ", ".join(limits))


def told() -> Iterator[Told]:
    group = ""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"# --- (.+?) -+$", line):
            group = heading[1]
        elif entry := re.match(r"# ([A-Z_]+)=(\S*)\s*(.*)$", line):
            yield Told(group, entry[1], entry[2], entry[3])


def disagreements(code: dict[str, Read], example: dict[str, Told]) -> Iterator[str]:
    for name in sorted(set(code) - set(example) - INTERNAL):
        yield f"{name} is read by the code and missing from .env.example"
    for name in sorted(set(code) & set(example)):
        if code[name].default not in (example[name].default, "", "0"):
            yield f"{name} is {code[name].default!r} in the code and {example[name].default!r} in .env.example"


def render(code: dict[str, Read], example: dict[str, Told]) -> str:
    parts, group = [HEAD], ""
    for one in example.values():
        if one.group != group:
            group = one.group
            parts.append(f"\n## {group[:1].upper()}{group[1:]}\n\n| variable | kind | default | meaning |\n| --- | --- | --- | --- |\n")
        read = code.get(one.name, Read(one.name, KINDS["text"]))
        kind = f"{read.kind}, {read.limits}" if read.limits else read.kind
        default = f"`{one.default}`" if one.default else ""
        parts.append(f"| `{one.name}` | {kind} | {default} | {one.meaning.replace('|', chr(92) + '|')} |\n")
    return "".join(parts)


def main() -> int:
    code: dict[str, Read] = {}
    for read in reads():
        # read in two places: the one that knows more (the Procfile gives a default the settings do not have)
        known = code.get(read.name)
        code[read.name] = read if known is None else max(known, read, key=lambda one: (len(one.limits), one.default not in ("", "0")))
    example = {one.name: one for one in told()}
    wrong = list(disagreements(code, example))
    if wrong:
        print("\n".join(wrong))
        return 1
    page = render(code, example)
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") != page:
        print("docs/configuration.md differs from the code and .env.example; run: make configuration")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
