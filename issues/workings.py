"""Which rules work for an organization, which go by a proxy, which are off, and why: in words people can act on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from accounts.models import Organization
from connectors import registry
from connectors.models import Connector
from issues.models import RULE_LABELS, RuleSetting
from issues.rules import CELL_RULES, RULES, SOURCE_RULES, Rule
from issues.thresholds import RuleBook, Setting, Thresholds

#: how the lack of a capability reads: of every source, and of some
LACKS = {
    "interviews": ("No connected source tells of interviews, feedback and offers", "Not told of interviews, feedback and offers by"),
    "polls": ("No connected source is read by polling", "Not read by polling:"),
}
SUBJECTS: tuple[tuple[str, Sequence[Rule[Any]]], ...] = (
    ("application", RULES),
    ("stage", CELL_RULES),
    ("connector", SOURCE_RULES),
)
#: a setting that says one of these decides whether a rule works in its place
DECIDING = {"enabled", "proxy"}


class State(StrEnum):
    ON = "on"
    #: what it needs is inferred, and its issues say so
    PROXY = "proxy"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """One rule in one organization, by the settings for the whole of it."""

    organization: Organization
    rule: str
    #: what an issue of it is about: application, stage or connector
    about: str
    state: State
    why: str
    thresholds: Thresholds
    #: settings for a job or a stage that switch it or its proxy otherwise
    exceptions: int

    @property
    def label(self) -> str:
        return RULE_LABELS[self.rule]

    @property
    def is_plain(self) -> bool:
        """It works everywhere, and there is nothing to say about it."""
        return self.state is State.ON and not self.why and not self.exceptions


@dataclass(frozen=True, slots=True)
class Source:
    """A connector, as far as rules care."""

    name: str
    tells: frozenset[str]


def working(rule: Rule[Any], thresholds: Thresholds, sources: Sequence[Source]) -> tuple[State, str]:
    """Whether a rule works with what the sources tell, and one sentence on it. Pure."""
    if not thresholds.enabled:
        return State.OFF, "It is switched off in the rule settings."
    if not sources:
        return State.OFF, "Nothing is connected yet."
    if not rule.needs:
        return State.ON, ""
    silent = [source.name for source in sources if rule.needs not in source.tells]
    if not silent:
        return State.ON, ""
    nobody = len(silent) == len(sources)
    of_all, of_some = LACKS[rule.needs]
    lack = f"{of_all}." if nobody else f"{of_some} {', '.join(silent)}."
    if rule.proxy and thresholds.proxy:
        there = "It" if nobody else "There it"
        return State.PROXY if nobody else State.ON, f"{lack} {there} goes by the {rule.proxy}, and its issues are marked as inferred."
    silence = "" if nobody else " There it is silent."
    instead = f" Switch on its proxy in the rule settings, and it goes by the {rule.proxy}." if rule.proxy else ""
    return State.OFF if nobody else State.ON, f"{lack}{silence}{instead}"


def workings(organizations: Iterable[Organization]) -> Iterator[Working]:
    """All rules of some organizations, in the order of the engine. Two queries."""
    asked = list(organizations)
    ids = [organization.pk for organization in asked]
    sources, settings = _sources(ids), _settings(ids)
    for organization in asked:
        book = RuleBook(settings[organization.pk])
        for about, rules in SUBJECTS:
            for rule in rules:
                thresholds = book.of(rule.name)
                state, why = working(rule, thresholds, sources[organization.pk])
                yield Working(
                    organization=organization,
                    rule=rule.name,
                    about=about,
                    state=state,
                    why=why,
                    thresholds=thresholds,
                    exceptions=sum(_is_exception(rule.name, setting) for setting in settings[organization.pk]),
                )


def _is_exception(rule: str, setting: Setting) -> bool:
    narrower = setting.job_id is not None or setting.stage_id is not None
    return narrower and setting.rule in ("", rule) and bool(DECIDING & setting.values.keys())


def _sources(organization_ids: list[int]) -> dict[int, list[Source]]:
    found: dict[int, list[Source]] = defaultdict(list)
    rows = Connector.objects.filter(organization__in=organization_ids).order_by("name")
    for organization_id, name, provider in rows.values_list("organization_id", "name", "provider"):
        known = registry.PROVIDERS.get(provider)
        tells = {word for word in LACKS if known and getattr(known.capabilities, word)}
        found[organization_id].append(Source(name, frozenset(tells)))
    return found


def _settings(organization_ids: list[int]) -> dict[int, list[Setting]]:
    found: dict[int, list[Setting]] = defaultdict(list)
    for row in RuleSetting.objects.filter(organization__in=organization_ids).order_by("pk"):
        found[row.organization_id].append(row.as_setting())
    return found
