"""The words of the pages. That the script uses the same ones is held in ``test_dashboard``."""

from __future__ import annotations

from realtime import presenting


def test_stays_that_were_cut_off_are_told_beside_those_that_ended() -> None:
    assert presenting.stays({"n": 169, "n_exits": 149, "n_open": 18}) == "169 stays: 149 ended, 18 still going, 2 cut off"
    assert presenting.stays({"n": 167, "n_exits": 149, "n_open": 18}) == "167 stays: 149 ended, 18 still going"
