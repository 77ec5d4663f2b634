"""Numbers and names as text, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = "–"
"""Stands for a number that does not exist."""


def decimal(value: float | None, digits: int = 3) -> str:
    """The number with `digits` decimals, or a dash for None.

    >>> decimal(0.12345), decimal(None)
    ('0.123', '–')
    """
    return NOTHING if value is None else f"{value:.{digits}f}"


def uncertainties(value: float | None, interval: list[float | None], digits: int = 3) -> str:
    """Upper and lower uncertainty, from the ends of an interval; empty without one.

    >>> uncertainties(0.05, [0.048, 0.053])
    '+0.003 −0.002'
    """
    low, high = interval
    if value is None or low is None or high is None:
        return ""
    return f"+{max(high - value, 0.0):.{digits}f} −{max(value - low, 0.0):.{digits}f}"


def sample_label(metrics: Mapping[str, Any]) -> str:
    """Processes and number of events of an evaluation.

    >>> sample_label({"num_events": 3, "processes": {"ww": {}, "zh": {}}})
    'ww, zh: 3 events'
    """
    processes = ", ".join(metrics["processes"])
    events = f"{metrics['num_events']} events"
    return f"{processes}: {events}" if processes else events


def jet_definition(config: Mapping[str, Any]) -> str:
    """Radius and lowest pt of the jets.

    >>> jet_definition({"jet_radius": 0.4, "jet_min_pt": 5.0})
    'R = 0.4, pT > 5 GeV'
    """
    return f"R = {config['jet_radius']:g}, pT > {config['jet_min_pt']:g} GeV"


def spaced(name: str) -> str:
    """A name from `metrics.json` with spaces.

    >>> spaced("charged_hadron")
    'charged hadron'
    """
    return name.replace("_", " ")
