"""Generator particles: collisions from Pythia8, and single-particle guns."""

from partflow.generate.config import GenerationConfig, Gun
from partflow.generate.generation import generate
from partflow.generate.processes import PROCESSES

__all__ = ["PROCESSES", "GenerationConfig", "Gun", "generate"]
