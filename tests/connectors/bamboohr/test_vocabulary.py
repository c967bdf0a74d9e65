from __future__ import annotations

import pytest

from connectors.bamboohr.vocabulary import IN_PLAY, Kind, job_status_of, meaning_of
from connectors.bamboohr.wire import Job, Status
from connectors.events import JobStatus, StageCategory


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("NEW", "review"),
        ("REVIEWED", "review"),
        ("SCHEDPHONE", "screen"),
        ("PHONED", "screen"),
        ("SCHEDINT", "interview"),
        ("INTERVIEW", "interview"),
        ("REFCHECK", "decision"),
        ("OFFER", "offer"),
        ("OLSENT", "offer"),
        ("OLSIGNED", "offer"),
        (None, "unmapped"),
        ("BRANDNEWCODE", "unmapped"),
    ],
)
def test_active_codes_are_stages_of_a_category(code: str | None, category: str) -> None:
    meaning = meaning_of(Status(id="1", code=code))

    assert (meaning.kind, meaning.category) == (Kind.STAGE, StageCategory(category))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ONHOLD", Kind.ON_HOLD),
        ("NOFIT", Kind.REJECTED),
        ("NOQUAL", Kind.REJECTED),
        ("OVERQUAL", Kind.REJECTED),
        ("DECLINED", Kind.WITHDRAWN),
        ("POACHED", Kind.WITHDRAWN),
        ("HIRED", Kind.HIRED),
        ("DELETED", Kind.REMOVED),
        ("MOVED", Kind.MOVED),
    ],
)
def test_outcome_codes_are_no_stages(code: str, kind: Kind) -> None:
    assert meaning_of(Status(id="1", code=code)).kind is kind


def test_an_unlisted_id_is_unmapped_even_if_it_is_a_built_in_one() -> None:
    assert meaning_of(Status(id="15")).category is StageCategory.UNMAPPED


def test_the_operators_word_wins_over_the_code() -> None:
    assert meaning_of(Status(id="27", taken_as="assessment")).category is StageCategory.ASSESSMENT
    assert meaning_of(Status(id="27", taken_as="rejected")).kind is Kind.REJECTED
    assert meaning_of(Status(id="15", code="HIRED", taken_as="offer")).kind is Kind.STAGE


def test_built_in_stages_come_in_pipeline_order_and_custom_ones_in_none() -> None:
    codes = ["NEW", "REVIEWED", "SCHEDPHONE", "PHONED", "SCHEDINT", "INTERVIEW", "REFCHECK", "OFFER", "OLSENT", "OLSIGNED"]
    positions = [meaning_of(Status(id="1", code=code)).position for code in codes]

    assert None not in positions
    assert positions == sorted(positions, key=lambda position: position or 0)
    assert meaning_of(Status(id="27")).position is None


def test_held_applications_stay_in_play() -> None:
    assert frozenset({Kind.STAGE, Kind.ON_HOLD}) == IN_PLAY


@pytest.mark.parametrize(
    ("status_id", "label", "status"),
    [
        ("1", "Offen", JobStatus.OPEN),
        ("2", "Draft", JobStatus.DRAFT),
        ("3", "On Hold", JobStatus.ON_HOLD),
        ("4", "Filled", JobStatus.FILLED),
        ("9", "Canceled", JobStatus.CANCELED),
        ("9", "cancelled", JobStatus.CANCELED),
        (None, "Deleted", JobStatus.DELETED),
        ("9", "Paused by board", None),
        (None, None, None),
    ],
)
def test_job_statuses_go_by_id_then_label(status_id: str | None, label: str | None, status: JobStatus | None) -> None:
    assert job_status_of(Job(id="1", status_id=status_id, status_label=label)) is status
