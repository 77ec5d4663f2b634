"""Metrics: candidates compared with the truth, as particles, as jets and as missing momentum."""

from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.evaluator import Evaluator

__all__ = ["EvaluationConfig", "Evaluator"]
