"""The physics processes as settings of Pythia8."""

from __future__ import annotations

from dataclasses import dataclass

GUN = "gun"
"""Name of the process that is no collision but single particles."""


@dataclass(frozen=True)
class Process:
    """One process at an e+e- collider."""

    description: str
    settings: tuple[str, ...]
    """Pythia settings that choose the hard process and its decays."""
    initial_state_radiation: bool = False
    """Initial-state radiation by the parton distribution of the electron."""
    final_state_only: bool = False
    """No radiation before the collision, for studies of the jet resolution."""
    threshold: float = 10.0
    """Lowest centre-of-mass energy [GeV]."""


PROCESSES = {
    "qq": Process(
        "e+e- -> q qbar (u d s c b) with initial-state radiation",
        ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 1 2 3 4 5"),
        initial_state_radiation=True,
    ),
    "uds": Process(
        "e+e- -> light quarks at exactly the given energy",
        ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 1 2 3"),
        final_state_only=True,
    ),
    "ttbar": Process(
        "e+e- -> t tbar, all decays", ("Top:ffbar2ttbar(s:gmZ) = on",), threshold=350.0
    ),
    "ww": Process(
        "e+e- -> W+ W-, both to quarks",
        ("WeakDoubleBoson:ffbar2WW = on", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"),
        threshold=162.0,
    ),
    "zh": Process("e+e- -> Z H, all decays", ("HiggsSM:ffbar2HZ = on",), threshold=217.0),
    "gamma_gamma": Process(
        "gamma gamma -> hadrons, photons of the beam electrons (W above 5 GeV, Q2 below 1 GeV2)",
        (
            "PDF:lepton2gamma = on",
            "Photon:ProcessType = 0",
            "Photon:Wmin = 5",
            "Photon:Q2max = 1",
            "SoftQCD:nonDiffractive = on",
        ),
        initial_state_radiation=True,
        threshold=30.0,
    ),
}
"""The processes by name."""
