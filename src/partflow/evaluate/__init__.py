"""Metrics: candidates compared with the truth as particles, jets and missing momentum.

Importing this package loads neither numba nor fastjet; the modules that need them do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partflow.evaluate.config import EvaluationConfig
    from partflow.evaluate.evaluator import Evaluator

__all__ = ["EvaluationConfig", "Evaluator"]


def __getattr__(name: str) -> object:
    """Import a public class when it is first used."""
    if name == "EvaluationConfig":
        from partflow.evaluate.config import EvaluationConfig

        return EvaluationConfig
    if name == "Evaluator":
        from partflow.evaluate.evaluator import Evaluator

        return Evaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
