"""Finding a person by name or address: in any writing of it, and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.traces import Traces

ADA = Traces(name="Ada Müller-Lüdenscheidt", email="Ada.M+jobs@example.net")


@pytest.mark.parametrize(
    "value",
    [
        "Ada Müller-Lüdenscheidt",
        "ADA  MÜLLER LÜDENSCHEIDT called",
        "ada.müller_lüdenscheidt",
        "Lüdenscheidt, Ada Müller",
        "mailto:ada.m+jobs@example.net",
        {"notes": [{"text": "see ADA.M+JOBS@EXAMPLE.NET"}]},
        {"Ada Müller-Lüdenscheidt": 1},
        ["x", ["Ada Müller-Lüdenscheidt"]],
    ],
)
def test_the_person_is_found(value: Any) -> None:
    assert ADA.are_in(value)


@pytest.mark.parametrize("value", ["Ada", "Canada Müller-Lüdenscheidter", "Müller", "jobs@example.net", "", 17, None, {"a": [None, 3.5]}])
def test_others_are_not(value: Any) -> None:
    assert not ADA.are_in(value)


def test_a_person_without_name_and_address_is_found_nowhere() -> None:
    nobody = Traces(name="", email="")

    assert not nobody.are_in(["", "anything", " "])
    assert nobody.replaced("anything", "-") == "anything"
    assert nobody.needles() == []


def test_a_name_that_looks_like_a_pattern_is_a_name() -> None:
    assert Traces(name="A.*", email=".*@.*").are_in("who: .*@.*")
    assert not Traces(name="(", email=".*@.*").are_in("somebody@example.net")


def test_every_occurrence_is_replaced() -> None:
    assert ADA.replaced("ada müller-lüdenscheidt <Ada.M+jobs@example.net>", "-") == "- <->"


def test_a_replacement_is_not_a_pattern() -> None:
    assert ADA.replaced("Ada Müller-Lüdenscheidt", r"\1") == r"\1"


@pytest.mark.parametrize("escaped", [True, False])
def test_needles_are_in_whatever_json_says_it(escaped: bool) -> None:
    payload = json.dumps({"name": "Ada Müller-Lüdenscheidt"}, ensure_ascii=escaped).lower()

    assert any(needle in payload for needle in ADA.needles())


def test_nothing_of_the_person_is_in_its_repr() -> None:
    assert "Ada" not in repr(ADA)
