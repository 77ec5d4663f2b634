"""Importing this module compiles the kernels of simulation and reconstruction, or loads them.

Worker processes are forked from a server, which can be told to import modules by their names, but
not to call a function. The server imports this module once, and every worker forked from it has
the kernels from the beginning.
"""

import numpy as np

from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, Events
from partflow.core.schemas import PARTICLES
from partflow.pipeline.events import simulate_events
from partflow.simulate.config import SimulationConfig

_empty = Events(np.zeros(1), np.array(["none"]), {"particles": Collection.empty(PARTICLES, 1)})
simulate_events(_empty, CLIC, SimulationConfig())
