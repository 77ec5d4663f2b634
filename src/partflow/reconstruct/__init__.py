"""Rule-based particle flow in the manner of Pandora: hits and tracks to clusters and candidates.

The steps in their order, each with its module and, in brackets, the algorithm of Pandora that does
the same job (Thomson, arXiv:0907.3577; names as in LCContent). `reconstruction.reconstruct` runs
all steps; `clustering` runs steps 1 to 11 for each event, compiled.

     1. pseudolayers      Sort the hits outwards in pseudolayers [PseudoLayerPlugin].
     2. peaks             Find density peaks among the ECAL hits (CLUE, arXiv:2001.09761).
     3. photons           Identify photons and electrons among the peaks [PhotonReconstruction,
                          ElectronId].
     4. cones             Cluster all other hits in cones, with the tracks as seeds
                          [ConeClustering].
     5. association       Give tracks that are still without hits the cluster in front of them
                          [TrackRecovery].
     6. association       Merge soft clusters into the nearest one [SoftClusterMerging].
     7. reclustering      Recluster charged hadrons with more energy than momentum
                          [ResolveTrackAssociations, ForcedClustering].
     8. neutrals          Merge HCAL clusters behind an energetic photon into it
                          [HighEnergyPhotonRecovery].
     9. fragments         Merge pieces of charged showers into the cluster of the track
                          [MainFragmentRemoval, PhotonFragmentRemoval].
    10. neutrals          Merge neighbouring neutral clusters [NeutralFragmentRemoval].
    11. neutrals          Identify photons among the neutral clusters [PhotonRecovery].
    12. clusters          Sum the hits of each cluster.
    13. secondary_tracks  Find kinks and converted photons among the tracks [the kinks and V0s that
                          Pandora's client gives it with the tracks].
    14. conversions       Subtract the energy of converted photons that their tracks measure.
    15. energy_balance    Correct neutral particles near tracks by E - p of these tracks.
    16. candidates        Make a particle of each track and of each neutral cluster; tracks with
                          hits in the muon system are muons [PfoCreation].

Step 2 replaces the transverse profiles of Pandora's photon reconstruction; steps 14 and 15 have no
counterpart in Pandora. Not done here are Pandora's topological association of track-like segments,
looping tracks and backscattered tracks, and its reconstruction of muons from hits.

`event_state` is the state of an event during steps 4 to 11. `segments`, `grid` and `sorting` serve
the kernels. `parameters` contains all constants. `fine` makes smaller clusters without tracks, for
a network to combine. The package never sees truth.
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
