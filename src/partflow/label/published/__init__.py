"""The target definition of published MLPF v2.2.0, quirks included ("mlpf-2.5" in `--definition`).

Published MLPF v2.2.0 is particleflow v2.2.0 with the model mlpf-clic-clusters-v2.2.0
(arXiv:2309.06782, arXiv:2503.00131) and its data sets of version 2.5.0. Its parts are in these
packages:

- `label.published`: its elements and targets, from the truth links of EDM4hep files;
- `ingest.tfds`: its data sets, read and written;
- `model.published`: its network, and the format of its checkpoints;
- `train.published_loss`: its loss;
- `infer.published`: its predictions, read as those of our networks.

The published definition differs from the closed one (`label.labelling`):

- a particle is credited with its own links and with those of its immediate daughters only;
- a particle is visible from 0.2 of a track's hits on, but may take a track with any weight;
- neutrinos may be targets; an event with nothing visible is dropped;
- of several particles merged into one only the last counts, and a particle that overlaps no
  cluster is merged into the particle on the event's first cluster, or is in no target;
- jets are numbered as fastjet gives them, and where the first element of an event has no target
  the jet of every target is written one target earlier;
- a track's pt uses 3e-4 GeV/(T mm) for the speed of light, and the fit before the last one.
"""

from partflow.label.published.labelling import DEFINITION, PublishedLabels, label_published
from partflow.label.published.report import PublishedReport

__all__ = ["DEFINITION", "PublishedLabels", "PublishedReport", "label_published"]
