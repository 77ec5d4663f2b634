"""One candidate set of all events: what the metrics are computed from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from partflow.core.records import Array
from partflow.evaluate.background import BackgroundSample
from partflow.evaluate.calibration import CalibrationSample
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.corrections import correct_dijets, correct_jets
from partflow.evaluate.dijets import DijetSample
from partflow.evaluate.energy_flow import FlowSample
from partflow.evaluate.jets import MeasuredJetSample
from partflow.evaluate.met import MetSample
from partflow.evaluate.particles import ParticleCounts, ReconstructedTargets
from partflow.evaluate.sample import select


@dataclass(frozen=True)
class EvaluatedSet:
    """One candidate set of all events, compared with generator particles and targets."""

    jets: MeasuredJetSample
    met: MetSample
    particles: ParticleCounts
    reconstructed: ReconstructedTargets
    dijets: DijetSample
    calibration: CalibrationSample
    background: BackgroundSample
    flow: FlowSample
    """Empty where the particles that made the clusters are unknown."""

    def of_events(self, keep: Array) -> EvaluatedSet:
        """The part in events whose number is true in `keep` [event]."""
        samples = (getattr(self, part.name) for part in fields(self))
        return EvaluatedSet(*(select(sample, keep[sample.event]) for sample in samples))

    def corrected(self, half: Array, config: EvaluationConfig) -> EvaluatedSet:
        """The set with corrected jets and dijets; `half` [event] is the half of each event."""
        jets = correct_jets(self.jets, half, config)
        return replace(self, jets=jets, dijets=correct_dijets(self.dijets, half, config))
