"""From generator particles to hits, tracks and their truth links."""

from partflow.simulate.background import OverlayConfig, overlay
from partflow.simulate.config import SimulationConfig, realistic
from partflow.simulate.simulation import Simulated, simulate

__all__ = [
    "OverlayConfig",
    "Simulated",
    "SimulationConfig",
    "overlay",
    "realistic",
    "simulate",
]
