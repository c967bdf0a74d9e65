"""Public holidays of a country for working calendars, from the ``holidays`` package.

Kept out of ``clocks.py``: a calendar is given its dates and looks nothing up, so that what it counts does not
change under it when the package learns of a new holiday.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import holidays


def public_holidays(country: str, years: Iterable[int], *, subdivision: str | None = None) -> frozenset[date]:
    """The public holidays (and the weekdays they are observed on) of these years.

    ``country`` is an ISO 3166-1 alpha-2 code, ``subdivision`` the part after the dash of an ISO 3166-2 code.
    Raises ``ValueError`` for codes the package does not know.
    """
    try:
        return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=list(years)))
    except NotImplementedError as error:
        place = f"{country}-{subdivision}" if subdivision else country
        raise ValueError(f"No public holidays are known for {place!r}; use ISO 3166 codes such as DE or US-CA.") from error
