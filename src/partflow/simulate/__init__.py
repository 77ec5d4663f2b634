"""From generator particles to hits, tracks and their truth links."""

from partflow.simulate.config import SimulationConfig, realistic
from partflow.simulate.simulation import Simulated, simulate

__all__ = ["Simulated", "SimulationConfig", "realistic", "simulate"]
