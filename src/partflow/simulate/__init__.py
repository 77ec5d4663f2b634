"""From generator particles to hits, tracks and their truth links.

`fast` holds the parametrised simulation of showers and tracker. The other modules are those
that any simulation needs: readout cells, hits, noise, fake tracks, digitisation, background. They
never import `fast`.
"""

from partflow.simulate.background import OverlayConfig, overlay
from partflow.simulate.config import SimulationConfig, realistic
from partflow.simulate.digitisation import Simulated
from partflow.simulate.fast.simulation import simulate

__all__ = [
    "OverlayConfig",
    "Simulated",
    "SimulationConfig",
    "overlay",
    "realistic",
    "simulate",
]
