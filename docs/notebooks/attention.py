# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # What a network attends to
#
# This notebook trains a tiny network for a few epochs on 200 events and looks inside: which
# elements each head attends to, and how the network divides the energy of a cluster. The network
# is too small and too briefly trained to be good; the same code works with any model folder.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np

from partflow import pipeline
from partflow.core.store import read_events
from partflow.generate import GenerationConfig

workspace = TemporaryDirectory()
folder = Path(workspace.name)

# %% [markdown]
# ## Events and a network

# %%
pipeline.generate(GenerationConfig("ttbar", num_events=200, seed=101), folder / "gen.parquet")
pipeline.simulate([folder / "gen.parquet"], folder / "events")
pipeline.label(folder / "events", folder / "labelled")
result = pipeline.train(folder / "labelled", folder / "run", preset="tiny", epochs=6, threads=1)
print(f"validation loss {result.validation_loss:.2f} after {result.events_seen} events")

# %% [markdown]
# ## Reconstruction, with the attention of one event
#
# `save_attention` writes the attention weights of chosen events, `save_embeddings` the
# representation of each element after the last layer.

# %%
events = read_events(folder / "events" / "events-00000.parquet", "events")
event = 0
pipeline.reconstruct(
    folder / "events",
    str(folder / "run"),
    folder / "mlpf.parquet",
    save_embeddings=True,
    save_attention=[int(events.event_id[event])],
)
attention = ak.from_parquet(folder / "mlpf.attention.parquet")
num_layers, num_heads = int(max(attention.layer)) + 1, int(max(attention.head)) + 1
print(num_layers, "layers with", num_heads, "heads each")


def weights(layer: int, head: int) -> np.ndarray:
    """Attention weights of one head, [element, element]."""
    chosen = (attention.layer == layer) & (attention.head == head)
    return ak.to_numpy(attention.weight[chosen][0])


# %% [markdown]
# ## Attention weights
#
# Row i, column j of a matrix is the weight of element j for element i; each row sums to one.
# Elements are in the order tracks (by decreasing pt), then clusters.

# %%
num_tracks = int(events.tracks.counts[event])
figure, axes = plt.subplots(1, num_heads, figsize=(3.2 * num_heads, 3.4), squeeze=False)
for head, axis in enumerate(axes[0]):
    weight = weights(num_layers - 1, head)
    assert np.allclose(weight.sum(axis=1), 1.0, atol=1e-4)
    axis.imshow(np.log10(weight + 1e-6), cmap="viridis", vmin=-4, vmax=0)
    axis.axvline(num_tracks, color="white", linewidth=0.5)
    axis.axhline(num_tracks, color="white", linewidth=0.5)
    axis.set(title=f"last layer, head {head}", xlabel="element j", ylabel="element i")
figure.tight_layout()

# %% [markdown]
# ## Attention against distance
#
# Some heads are told the distance between two elements at the calorimeter, each with its own
# length scale, and some are not. The mean weight against the angle between two elements shows
# which is which.

# %%
clusters = events[event : event + 1].clusters
directions = np.stack([clusters.x, clusters.y, clusters.z], axis=1)
directions /= np.linalg.norm(directions, axis=1, keepdims=True)
angle = np.arccos(np.clip(directions @ directions.T, -1.0, 1.0))
edges = np.geomspace(0.01, 3.0, 13)
bin_of_pair = np.digitize(angle, edges)

figure, axis = plt.subplots(figsize=(6, 4))
for head in range(num_heads):
    weight = weights(0, head)[num_tracks:, num_tracks:]
    mean = [weight[bin_of_pair == b].mean() for b in range(1, len(edges))]
    axis.plot(np.sqrt(edges[1:] * edges[:-1]), mean, marker="o", label=f"head {head}")
axis.set(
    xscale="log", yscale="log", xlabel="angle between two clusters [rad]", ylabel="mean weight"
)
axis.legend()
figure.tight_layout()

# %% [markdown]
# ## Where the energy of a cluster goes
#
# The sharing head divides the energy of each cluster among the elements around it. Energy that goes
# to a track is the shower of that track; energy that goes to a cluster becomes a neutral particle.

# %%
shares = read_events(folder / "mlpf.parquet", "candidates")[event : event + 1].shares
to_track = (shares.owner_element >= 0) & (shares.owner_element < num_tracks)
to_cluster = shares.owner_element >= num_tracks
for name, chosen in (
    ("tracks", to_track),
    ("clusters", to_cluster),
    ("no element", shares.owner_element < 0),
):
    print(f"energy given to {name:10s} {shares.energy_em[chosen].sum():6.1f} GeV")
assert np.isclose(shares.energy_em.sum(), clusters.energy_em.sum(), rtol=1e-3)

largest = int(np.argmax(clusters.energy_em)) + num_tracks
print(f"\nthe largest cluster, {clusters.energy_em.max():.1f} GeV:")
for row in np.flatnonzero(shares.cluster_element == largest):
    owner = int(shares.owner_element[row])
    kind = "no element" if owner < 0 else "track" if owner < num_tracks else "cluster"
    print(f"  {shares.energy_em[row]:6.2f} GeV to {kind} {owner if owner >= 0 else ''}")

# %%
workspace.cleanup()
