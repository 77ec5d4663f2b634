"""Candidates against truth: particles, jets, missing momentum; plots; the report."""

from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.evaluator import Evaluator

__all__ = ["EvaluationConfig", "Evaluator"]
