"""Machine, time and energy of a training, from `resources.json`."""

from __future__ import annotations

from partflow.report.tables import Table, make_table
from partflow.train.resources import Resources

WATTS_PER_CORE = 10.0
"""Power of a core at work [W], assumed where the user gives none: that of a processor with 32 cores
and 320 W, or with 4 cores and 40 W."""
JOULES_PER_KWH = 3.6e6


def resource_table(used: Resources) -> Table:
    """A row for each start of the program."""
    rows = [
        [
            part.processor,
            str(part.cores),
            f"{part.processes} × {part.threads}",
            part.device,
            duration(part.minutes),
            duration(part.processor_seconds / 60.0),
            f"{part.partflow}, {part.torch}, {part.python}",
        ]
        for part in used.parts
    ]
    headings = ["processor", "cores", "processes × threads", "device", "time", "processor time",
                "partflow, torch, Python"]  # fmt: skip
    return make_table(headings, rows, "")


def unrecorded(used: Resources) -> float:
    """Minutes of which the machine is unknown; 0 if less than a hundredth of a minute."""
    return used.minutes_unrecorded if used.minutes_unrecorded >= 0.01 else 0.0


def energy_sentence(used: Resources, watts: float | None) -> str:
    """The energy that the training used, as an estimate with its assumption.

    >>> from partflow.train.resources import RunPart, resources_of
    >>> energy_sentence(resources_of(60, [RunPart(device="cpu", processor_seconds=7200.0)]), 20)[
    ...     :55
    ... ]
    'At least 0.040 kWh, assuming 20 W for each core at work'
    """
    accelerators = [part for part in used.parts if part.device != "cpu"]
    if accelerators and watts is None:
        names = ", ".join(dict.fromkeys(part.device for part in accelerators))
        return f"unknown: the power of the accelerators ({names}) was not given (`--watts`)."
    power = WATTS_PER_CORE if watts is None else watts
    processors = [part for part in used.parts if part.device == "cpu"]
    seconds = sum(part.processor_seconds for part in processors)
    seconds += sum(60.0 * part.minutes * part.processes for part in accelerators)
    users = [
        *(["each core at work"] if processors else []),
        *(["each accelerator all the time"] if accelerators else []),
    ]
    least = "At least" if unrecorded(used) else "About"
    return (
        f"{least} {significant(power * seconds / JOULES_PER_KWH)} kWh, assuming {power:g} W for "
        f"{' and '.join(users)}. It was not measured; memory, cooling and idle parts are not "
        "counted."
    )


def duration(minutes: float) -> str:
    """A duration in the unit that suits it.

    >>> [duration(minutes) for minutes in (0.05, 12.34, 600.0)]
    ['3.0 s', '12.3 min', '10.0 h']
    """
    if minutes < 1.0:
        return f"{60.0 * minutes:.1f} s"
    return f"{minutes:.1f} min" if minutes < 120.0 else f"{minutes / 60.0:.1f} h"


def significant(value: float) -> str:
    """A number with two significant digits, without an exponent.

    >>> [significant(value) for value in (0.0000123, 0.0256, 1234.0, 0.0)]
    ['0.000012', '0.026', '1200', '0']
    """
    if value == 0.0:
        return "0"
    rounded = float(f"{value:.1e}")
    digits = max(1 - int(f"{value:e}".split("e")[1]), 0)
    return f"{rounded:.{digits}f}"
