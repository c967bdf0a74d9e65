"""The load generator keeps its promises on size, shape, order and disjointness."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.files.rows import from_json
from connectors.sandbox import bench
from connectors.sandbox.bench import Shape


def rows(**settings: Any) -> list[dict[str, Any]]:
    return [json.loads(text) for text in bench.rows(Shape(**{"events": 20_000, **settings}))]


@pytest.mark.parametrize("order", bench.ORDERS)
def test_every_order_gives_exactly_as_many_valid_rows_with_keys_of_their_own(order: str) -> None:
    texts = list(bench.rows(Shape(events=5000, order=order)))

    checked = [from_json(text.encode()) for text in texts]

    assert len(checked) == 5000
    assert len({row.provider_event_id for row in checked}) == 5000
    assert all(row.event_type != "unknown" for row in checked)


def test_the_same_arguments_give_the_same_file_and_another_seed_another() -> None:
    assert rows(events=3000) == rows(events=3000)
    assert rows(events=3000) != rows(events=3000, seed=2)


def test_there_are_about_four_events_per_application_over_eighteen_months() -> None:
    told = rows(order="application")

    per_application = len(told) / len({row["application_external_id"] for row in told})
    assert 3.5 < per_application < 4.5
    first, last = min(row["timestamp"] for row in told), max(row["timestamp"] for row in told)
    assert first.startswith("2024-12-3")
    assert "2026-06" < last < "2026-10"
    assert len({row["job_external_id"] for row in told}) > 180
    assert {row["stage_to"] for row in told if "stage_to" in row} == {f"stage-{n}" for n in range(1, 9)}
    kinds = Counter(row["event_type"] for row in told)
    assert min(kinds[f"application_{word}"] for word in ("created", "rejected", "withdrawn", "hired")) > 100


def test_the_order_of_time_is_the_order_of_time() -> None:
    assert all(before["timestamp"] <= after["timestamp"] for before, after in pairwise(rows()))


def test_the_order_of_applications_keeps_each_together() -> None:
    numbers = [row["application_external_id"] for row in rows(order="application")]

    changes = sum(before != after for before, after in pairwise(numbers))
    assert changes == len(set(numbers)) - 1


def test_the_random_order_has_late_and_early_events_everywhere() -> None:
    told = rows(order="random")

    late = sum(before["timestamp"] > after["timestamp"] for before, after in pairwise(told))
    assert 0.45 < late / len(told) < 0.55
    first_seen: dict[str, str] = {}
    for row in told:
        first_seen.setdefault(row["application_external_id"], row["event_type"])
    assert sum(kind != "application_created" for kind in first_seen.values()) > len(first_seen) / 3


def test_files_from_other_start_ids_share_jobs_and_no_application() -> None:
    one, other = rows(events=4000), rows(events=4000, start_id=1_000_001)

    assert not {row["application_external_id"] for row in one} & {row["application_external_id"] for row in other}
    assert not {row["provider_event_id"] for row in one} & {row["provider_event_id"] for row in other}
    assert {row["job_external_id"] for row in other} <= {f"job-{n}" for n in range(1, 201)}


def test_jobs_and_stages_are_as_many_as_asked() -> None:
    told = rows(jobs=3, stages=2)

    assert {row["job_external_id"] for row in told} == {"job-1", "job-2", "job-3"}
    assert {row["stage_to"] for row in told if "stage_to" in row} == {"stage-1", "stage-2"}


def test_memory_does_not_grow_with_the_rows_written() -> None:
    def peak(events: int) -> int:
        tracemalloc.start()
        for _ in bench.rows(Shape(events=events, order="application")):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    # A row that is kept takes over 500 bytes; what the interpreter itself frees late differs by some tens of kilobytes in all.
    assert peak(40_000) - peak(10_000) < 30_000 * 20


def test_a_written_file_holds_all_rows(tmp_path: Path) -> None:
    speed = bench.write_file(Shape(events=5000), tmp_path / "load.jsonl.gz")

    lines = gzip.decompress((tmp_path / "load.jsonl.gz").read_bytes()).splitlines()
    assert len(lines) == 5000
    assert speed > 0
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("wrong", [{"order": "size"}, {"events": 0}, {"jobs": 0}, {"stages": 0}])
def test_a_shape_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown order|at least 1"):
        Shape(**{"events": 10, **wrong})
