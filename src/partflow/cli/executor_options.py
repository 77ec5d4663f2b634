"""Options that say where the tasks of a verb run, which several verbs have."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import arg

from partflow.core.executors import ExecutorName

__all__ = ["Address", "ExecutorName"]

Address = Annotated[
    str | None,
    arg(
        metavar="HOST:PORT",
        help_behavior_hint="(default: a Ray of this machine, with --workers processes)",
    ),
]
