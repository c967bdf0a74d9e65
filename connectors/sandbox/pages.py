"""Cutting the applications list into pages, straight or crooked as the faults in force have it."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.sandbox.account import Account
from connectors.sandbox.faults import Fault, FaultBook
from connectors.sandbox.state import Application


@dataclass
class Page:
    items: list[Application]
    complete: bool
    #: what ``nextPageUrl`` names; None makes it null
    next_page: int | None
    next_host: str | None = None
    #: False leaves ``nextPageUrl`` out altogether
    next_url_key: bool = True


class Pager:
    def __init__(self, account: Account, faults: FaultBook) -> None:
        self._account = account
        self._faults = faults

    def page(self, found: list[Application], number: int, path: str) -> Page:
        """Page ``number`` of ``found``. Past the end: empty and complete."""
        size = self._account.habits.page_size
        found = self._without_hidden(found, number, path)
        if number > 1:
            found = self._shifted(found, number, size, path)
        first = (number - 1) * size
        items = found[first : first + size]
        if number > 1 and items and self._take("duplicate_row", number, path):
            items = [found[first - 1], *items]
        complete = first + size >= len(found)
        return self._link(Page(items, complete, None if complete else number + 1), found, number, path)

    def _without_hidden(self, found: list[Application], number: int, path: str) -> list[Application]:
        hidden = {fault.application_id for fault in self._faults.take_all("hidden", method="GET", path=path, page=number)}
        return [item for item in found if item.id not in hidden] if hidden else found

    def _shifted(self, found: list[Application], number: int, size: int, path: str) -> list[Application]:
        """A row moves to page 1 while somebody pages: it is missed, and the one before it comes a second time."""
        first = (number - 1) * size
        if first < len(found) and self._take("row_moves", number, path):
            return [found[first], *found[:first], *found[first + 1 :]]
        return found

    def _link(self, page: Page, found: list[Application], number: int, path: str) -> Page:
        habit = self._account.habits.next_page_url
        page.next_url_key = habit != "absent"
        if endless := self._take("endless", number, path):
            if not page.items and not endless.empty:
                page.items = found[-self._account.habits.page_size :]
            page.complete, page.next_page = False, number + 1
        if not page.complete:
            if habit == "null":
                page.next_page = None
            self._break_link(page, number, path)
        return page

    def _break_link(self, page: Page, number: int, path: str) -> None:
        if self._take("repeat_next", number, path):
            page.next_page = number
        if foreign := self._take("foreign_next", number, path):
            page.next_host, page.next_page, page.next_url_key = foreign.host, number + 1, True
        if missing := self._take("missing_next", number, path):
            page.next_page, page.next_url_key = None, page.next_url_key and not missing.absent

    def after(self, page: Page, path: str) -> None:
        """What happens once a page was answered: applications that vanish between list and detail."""
        shown = {item.id for item in page.items}
        fault = self._faults.take("vanishes", method="GET", path=path, fits=lambda f: bool(shown) and f.application_id in (None, *shown))
        if fault is not None:
            self._account.remove(fault.application_id or page.items[0].id)

    def _take(self, kind: str, number: int, path: str) -> Fault | None:
        return self._faults.take(kind, method="GET", path=path, page=number)
