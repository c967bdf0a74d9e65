"""Faults on demand: what real accounts have done to their clients, switched on through the control endpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

#: kind: what it does
KINDS = {
    "status": "answer `status` (any error code) instead; `body` empty, html or json; reason in header `header`",
    "throttled": "answer 429 (or `status`: 503, the old style); `retry_after` seconds, 'date', or null for no header",
    "slow": "wait `seconds`, then answer as usual",
    "truncated": "cut the answer in half; `declared`: 'full' promises the whole length, 'cut' the real one",
    "html": "200 with a login page",
    "error_body": '200 with {"error": {"code": 429}}',
    "disconnect": "close the connection without an answer",
    "row_moves": "from page 2 on: the page's first row has moved to page 1, so it is missed and another comes twice",
    "duplicate_row": "from page 2 on: the previous page's last row again",
    "vanishes": "after a list showed `application_id` (default: its first row) the application is removed for good",
    "hidden": "leave `application_id` out of lists; its detail still answers",
    "foreign_next": "nextPageUrl names `host`",
    "missing_next": "nextPageUrl null (or absent, if `absent`) though more pages follow",
    "repeat_next": "nextPageUrl names the page just read",
    "endless": "never paginationComplete; past the end the last page again, or empty pages if `empty`",
    "override": "merge `changes` into rows `where` (list, detail, jobs, statuses) with `id`; drop dotted paths `remove`; or `replace` rows",
}


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault. It hits the next ``times`` fitting requests after ``skip`` of them; ``times`` null: until cleared.

    An ``override`` counts rows rather than requests.
    """

    kind: str
    times: int | None = 1
    skip: int = 0
    #: only requests whose path contains this, of this method, for this page
    path: str = ""
    method: str | None = None
    page: int | None = None
    application_id: int | None = None
    status: int | None = None
    retry_after: int | str | None = 2
    body: str = "empty"
    header: str = "X-BambooHR-Error-Message"
    message: str = "Injected by the sandbox"
    seconds: float = 1.0
    declared: str = "cut"
    host: str = "attacker.example.org"
    absent: bool = False
    empty: bool = False
    where: str | None = None
    id: str | int | None = None
    changes: dict[str, Any] = {}
    remove: list[str] = []
    replace: Any = msgspec.UNSET
    hits: int = 0


class FaultBook:
    """The faults in force, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, wanted: dict[str, Any]) -> Fault:
        """Raises ``ValueError`` naming what is wrong with the description of a fault."""
        try:
            fault = msgspec.convert(wanted, Fault)
        except msgspec.ValidationError as error:
            raise ValueError(f"not a fault: {error}") from None
        if fault.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {fault.kind!r}; use one of {', '.join(KINDS)}")
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def in_force(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def take(self, *kinds: str, method: str, path: str, page: int = 1, fits: Callable[[Fault], bool] | None = None) -> Fault | None:
        """The oldest fitting fault, which thereby counts as having hit; None if there is none."""
        return next(self._hitting(kinds, method, path, page, fits), None)

    def take_all(self, *kinds: str, method: str, path: str, page: int = 1, fits: Callable[[Fault], bool] | None = None) -> list[Fault]:
        """Every fitting fault, oldest first; each counts as having hit."""
        return list(self._hitting(kinds, method, path, page, fits))

    def _hitting(self, kinds: tuple[str, ...], method: str, path: str, page: int, fits: Callable[[Fault], bool] | None) -> Iterator[Fault]:
        with self._lock:
            for fault in list(self._faults):
                if fault.kind not in kinds or not _concerns(fault, method, path, page) or (fits and not fits(fault)):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                if fault.times is not None and fault.hits >= fault.times:
                    self._faults.remove(fault)
                yield fault


def _concerns(fault: Fault, method: str, path: str, page: int) -> bool:
    return fault.path in path and fault.method in (None, method) and fault.page in (None, page)


def overridden(row: dict[str, Any], fault: Fault) -> Any:
    """``row`` as the override wants it."""
    if fault.replace is not msgspec.UNSET:
        return fault.replace
    merged = _merge(row, fault.changes)
    for path in fault.remove:
        _drop(merged, path.split("."))
    return merged


def _merge(value: Any, changes: Any) -> Any:
    if isinstance(value, dict) and isinstance(changes, dict):
        return value | {name: _merge(value.get(name), change) for name, change in changes.items()}
    return changes


def _drop(value: Any, path: list[str]) -> None:
    for name in path[:-1]:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value.pop(path[-1], None)
