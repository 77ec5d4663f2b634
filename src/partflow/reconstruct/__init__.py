"""Hits to clusters, tracks and clusters to candidates: the rule-based baseline.

The chain is one of the Pandora kind (Thomson, arXiv:0907.3577): photons first, cones grown
from the tracks, then energy compared with momentum until they agree. One file is one step:

    pseudolayers -> photons -> cones -> association -> reclustering -> fragments -> neutrals

`reconstruction` walks an event through them; `clusters` and `candidates` write the result.
`fine` leaves out the tracks and the merging: smaller clusters, for a network to join.
Truth never comes in here.
"""

from partflow.reconstruct.fine import FineClusters, fine_clusters
from partflow.reconstruct.parameters import BaselineConfig, for_noise
from partflow.reconstruct.reconstruction import Reconstructed, reconstruct

__all__ = [
    "BaselineConfig",
    "FineClusters",
    "Reconstructed",
    "fine_clusters",
    "for_noise",
    "reconstruct",
]
