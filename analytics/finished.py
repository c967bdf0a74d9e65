"""Live heatmaps as finished JSON, put together from what is remembered (``analytics.live``) and kept as answers.

The same answers as ``selectors.org_heatmap`` and ``selectors.job_heatmap`` give for the same moment; a test holds the
two together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable

import msgspec

from analytics.answers import Answer, Answers
from analytics.cells import CANONICAL_STAGES
from analytics.heatmap import Json
from analytics.live import UNMAPPED, Live, LiveRow
from analytics.paging import Paging
from analytics.ranking import paged
from config.drf import content_tag

answers = Answers()

Link = Callable[[str], str]


def finished(key: Hashable, standing: Live, make: Callable[[], bytes]) -> Answer:
    """The kept answer under ``key``, or a new one; ``key`` says everything it depends on beside what is remembered."""
    versions, as_of = standing.versions, standing.now.as_of
    found = answers.find(key, versions, as_of)
    if found is None:
        body = make()
        found = Answer(body, content_tag(body), versions, as_of)
        answers.keep(key, found)
    return found


def org_heatmap_json(standing: Live, top: Json, *, job_ids: Collection[int] | None, paging: Paging, link: Link) -> bytes:
    """All rows, or the page asked for; ``job_ids`` narrows them."""
    page = paged(standing, job_ids, paging)
    with_unmapped = any(row.uses_unmapped for row in page.rows)
    refs = (*CANONICAL_STAGES, UNMAPPED) if with_unmapped else CANONICAL_STAGES
    told = top | {
        "stages": [ref.as_dict() for ref in refs],
        "total": page.total,
        "next": link(page.next.text()) if page.next else None,
        "previous": link(page.previous.text()) if page.previous else None,
    }
    rows = b"},{".join([row.json(standing.now, key=b"cells", columns=len(refs)) for row in page.rows])
    return msgspec.json.encode(told)[:-1] + b',"rows":[' + (b"{" + rows + b"}" if page.rows else b"") + b"]}"


def job_heatmap_json(standing: Live, top: Json, row: LiveRow) -> bytes:
    return msgspec.json.encode(top)[:-1] + b"," + row.json(standing.now, key=b"stages") + b"}"


def key_of(address: str, standing: Live) -> Hashable:
    """Everything a live answer depends on beside what is remembered: what was asked, and whose rows are seen."""
    return (address, tuple(standing.organization_ids))
