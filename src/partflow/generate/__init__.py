"""Physics processes -> generator particles: Pythia8 events and single-particle guns."""

from partflow.generate.config import GenerationConfig, Gun
from partflow.generate.generation import generate
from partflow.generate.processes import PROCESSES

__all__ = ["PROCESSES", "GenerationConfig", "Gun", "generate"]
