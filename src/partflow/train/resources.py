"""What a training used: machine, time and versions, added up over its interruptions.

A run that is continued may be so on another machine: each start of the program is a part of its
own. `resources.json` in the folder of the run lists them; nothing of the training depends on it.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from partflow import __version__
from partflow.core.json_objects import read_object_file
from partflow.core.outputs import write_text
from partflow.core.threads import available_cores

RESOURCES_FILE = "resources.json"
RESOURCES_FORMAT = "partflow-resources-1"


@dataclass
class RunPart:
    """What one start of the program used, up to its last validation."""

    processor: str = ""
    """Name of the processor; empty where the system does not tell."""
    cores: int = 0
    """Cores that the program may use."""
    threads: int = 0
    """CPU threads of torch, of each process."""
    processes: int = 1
    """Processes of the training, one for each device; with several nodes those of all nodes."""
    device: str = ""
    """Name of the device of the first process, as its maker calls it; `cpu` for the processor."""
    minutes: float = 0.0
    """Wall time [min]."""
    processor_seconds: float = 0.0
    """Time in which cores worked for the training, of all its processes together [s]."""
    partflow: str = ""
    torch: str = ""
    python: str = ""
    """Versions."""


@dataclass(frozen=True)
class Resources:
    """What a whole run used."""

    minutes: float
    """Wall time, without the time between an interruption and its continuation [min]."""
    minutes_unrecorded: float
    """Wall time before the first part: that of a run which an earlier version, which kept no such
    record, began [min]."""
    processor_seconds: float
    """Processor time of all parts [s]."""
    parts: tuple[RunPart, ...]


class Meter:
    """Measures what this process uses from now on."""

    def __init__(self, minutes_before: float) -> None:
        """A meter for a run that has taken `minutes_before` already."""
        self.minutes_before = minutes_before
        self._processor_start = time.process_time()

    def processor_seconds(self) -> float:
        """Processor time of this process and its threads [s]."""
        return time.process_time() - self._processor_start


def begin_part(device: torch.device, processes: int) -> RunPart:
    """A part that begins now, on this machine."""
    return RunPart(
        processor=processor_name(),
        cores=available_cores(),
        threads=torch.get_num_threads(),
        processes=processes,
        device=device_name(device),
        partflow=__version__,
        torch=str(torch.__version__),
        python=platform.python_version(),
    )


def processor_name() -> str:
    """Name of the processor; empty where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n"):
            key, _, name = line.partition(":")
            if key.strip() == "model name":
                return name.strip()
    except OSError:  # not on every system
        pass
    return platform.processor()


def device_name(device: torch.device) -> str:
    """Name of a device: that of its maker for a GPU, else that of torch.

    >>> device_name(torch.device("cpu"))
    'cpu'
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type


def resources_of(minutes: float, parts: Sequence[RunPart]) -> Resources:
    """What a run of `minutes` used in its parts.

    >>> resources_of(1.5, [RunPart(minutes=1.0)]).minutes_unrecorded
    0.5
    """
    recorded = sum(part.minutes for part in parts)
    return Resources(
        minutes=minutes,
        minutes_unrecorded=max(round(minutes - recorded, 6), 0.0),
        processor_seconds=sum((part.processor_seconds for part in parts), 0.0),
        parts=tuple(parts),
    )


def write_resources(folder: Path, used: Resources) -> None:
    """Write `resources.json` into the folder of a run; raises OutputError where that fails."""
    content = {"format": RESOURCES_FORMAT, **asdict(used)}
    write_text(folder / RESOURCES_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_resources(folder: Path) -> Resources | None:
    """What `write_resources` wrote; None for a run of an earlier version, which has no such file.

    Raises SchemaError where the file is damaged or of another version.
    """
    return read_object_file(Resources, folder / RESOURCES_FILE, RESOURCES_FORMAT)
