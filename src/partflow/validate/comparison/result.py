"""The result of a comparison as the contents of `comparison.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.errors import InputError
from partflow.core.outputs import write_text
from partflow.core.provenance import Provenance
from partflow.evaluate.gate import Verdict
from partflow.evaluate.response import number
from partflow.validate.comparison.lines import Group, Line
from partflow.validate.measure.estimate import Estimate
from partflow.validate.table.criterion import Unit

FORMAT = 1
RESULT = "comparison.json"


@dataclass(frozen=True)
class Result:
    """All groups with their lines, and what was compared."""

    groups: Sequence[Group]
    label: str
    """Name of the engine of the reference."""
    is_stand_in: bool
    """Whether that engine took its physics data from stand-in formulas."""
    num_between_regions: int
    """Single particles between barrel and endcaps, which are not compared."""
    provenance: Provenance


def write_result(folder: Path, result: Result) -> None:
    """Write `comparison.json`; None stands for NaN."""
    content = {
        "format": FORMAT,
        "reference": result.label,
        "is_stand_in": result.is_stand_in,
        "num_between_regions": result.num_between_regions,
        "groups": [
            {
                "section": group.section,
                "label": group.label,
                "num_events": group.num_events,
                "lines": [_line_content(line) for line in group.lines],
            }
            for group in result.groups
        ],
        "provenance": json.loads(result.provenance.to_json()),
    }
    write_text(folder / RESULT, json.dumps(content, indent=1, allow_nan=False))


def read_result(folder: Path) -> Result:
    """The result in the folder of a finished comparison; raises InputError if there is none."""
    file = folder / RESULT
    if not file.is_file():
        raise InputError(f"{folder}: holds no {RESULT}; make it with `partflow validate --against`")
    content = json.loads(file.read_text(encoding="utf-8"))
    groups = [
        Group(
            group["section"],
            group["label"],
            group["num_events"],
            [_line(line) for line in group["lines"]],
        )
        for group in content["groups"]
    ]
    return Result(
        groups,
        content["reference"],
        content["is_stand_in"],
        content["num_between_regions"],
        Provenance(**content["provenance"]),
    )


def _line_content(line: Line) -> dict[str, Any]:
    """A line as JSON values."""
    return {
        "quantity": line.label,
        "unit": list(line.unit),
        **{
            name: [number(value) for value in getattr(line, name)]
            for name in ("reference", "fast", "ratio")
        },
        "tolerance": line.tolerance,
        "verdict": line.verdict,
    }


def _line(content: dict[str, Any]) -> Line:
    """The line of `_line_content`."""
    reference, fast, ratio = (
        Estimate(*(np.nan if value is None else value for value in content[name]))
        for name in ("reference", "fast", "ratio")
    )
    verdict = content["verdict"]
    return Line(
        content["quantity"],
        Unit(*content["unit"]),
        reference,
        fast,
        ratio,
        content["tolerance"],
        None if verdict is None else Verdict(verdict),
    )
