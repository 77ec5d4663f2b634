# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # One event, step by step
#
# This notebook follows one event through every stage: generator particles, simulation, clusters,
# the rule-based candidates, training targets, and jets. It needs no files and runs in a minute.

# %%
import matplotlib.pyplot as plt
import numpy as np

from partflow.core.known_detectors import CLIC
from partflow.generate import GenerationConfig, generate
from partflow.pipeline import label_events, simulate_events
from partflow.simulate import SimulationConfig

# %% [markdown]
# ## Generator particles
#
# `generate` yields chunks of events. A collection such as `particles` holds flat columns for all
# events; here there is one event only.

# %%
(generated,) = generate(GenerationConfig("ttbar", num_events=1, seed=7))
particles = generated.particles
pt = np.hypot(particles.px, particles.py)
for row in np.argsort(-pt)[:8]:
    pdg_id, energy = particles.pdg_id[row], particles.energy[row]
    print(f"{pdg_id:6d}  pt {pt[row]:6.2f} GeV  energy {energy:6.2f} GeV")
print(f"{len(particles)} particles, {particles.energy.sum():.1f} GeV")

# %% [markdown]
# The energies sum to the centre-of-mass energy of 380 GeV, neutrinos included.

# %% [markdown]
# ## Hits and tracks
#
# `simulate_events` runs the fast simulation and the rule-based reconstruction. Hits are cells above
# threshold with an energy at the electromagnetic scale.

# %%
events = simulate_events(generated, CLIC, SimulationConfig())
hits, tracks, clusters = events.hits, events.tracks, events.clusters
print(f"{len(tracks)} tracks, {len(hits)} hits, {len(clusters)} clusters")

figure, (across, along) = plt.subplots(1, 2, figsize=(11, 5))
is_ecal = hits.subdetector == 0
for chosen, name in ((is_ecal, "ECAL"), (~is_ecal, "HCAL")):
    size = 200 * hits.energy_em[chosen]
    across.scatter(hits.x[chosen], hits.y[chosen], s=size, alpha=0.4, label=name)
    along.scatter(hits.z[chosen], np.hypot(hits.x, hits.y)[chosen], s=size, alpha=0.4)
across.set(xlabel="x [mm]", ylabel="y [mm]", aspect="equal", title="Across the beam")
along.set(xlabel="z [mm]", ylabel="radius [mm]", title="Along the beam")
across.legend()
figure.tight_layout()

# %% [markdown]
# ## Who made a hit
#
# The truth is a collection of its own. Each contribution says how much energy one particle left in
# one hit; the contributions of a hit sum to its energy. The reconstruction never sees it.

# %%
contributions = events.contributions
total = np.bincount(contributions.hit_index, contributions.energy_em, len(hits))
assert np.allclose(total, hits.energy_em, rtol=1e-4)

num_particles = np.bincount(contributions.hit_index, minlength=len(hits))
print(f"{(num_particles > 1).mean():.1%} of the hits have energy of more than one particle")

# %% [markdown]
# ## Candidates of the baseline
#
# The rule-based particle flow combines tracks and clusters. Its classes are 211 (charged hadron),
# 130 (neutral hadron), 22 (photon), 11 (electron) and 13 (muon).

# %%
baseline = events.baseline
for pdg_id in (211, 130, 22, 11, 13):
    chosen = baseline.pdg_id == pdg_id
    print(f"{pdg_id:4d}: {chosen.sum():3d} candidates, {baseline.energy[chosen].sum():6.1f} GeV")

# %% [markdown]
# ## Targets
#
# `label_events` finds for each element (track or cluster) the particle that it should become. Most
# clusters get none: they are pieces of a shower whose particle is on another element.

# %%
labelled, report = label_events(events)
targets = labelled.targets
has_target = targets.pdg_id > 0
print(f"{len(targets)} elements, {has_target.sum()} with a target")
print(f"energy of the targets: {targets.energy.sum():.1f} GeV")

# %% [markdown]
# ## Jets
#
# Jets of the targets agree with jets of the generator: the labels lose almost nothing. This is the
# ceiling of a network trained on them.

# %%
for name in ("gen_jets", "target_jets"):
    jets = getattr(labelled, name)
    print(f"{name:12s}", "  ".join(f"{value:6.1f}" for value in jets.pt), "GeV")
