"""The inner face of a detector's calorimeter, from which a network counts depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from partflow.core.detector import Detector

BACKWARD_REACH = 50.0
"""Length [mm] by which a track's line in the calorimeter is extended in front of the face: showers
scatter back a little."""


@dataclass(frozen=True)
class CalorimeterFace:
    """The calorimeter face of a detector: a cylinder around the beam with flat ends.

    It goes with labelled events and trained networks, so that a network is not used on another
    detector without notice.
    """

    detector: str
    """Name of the detector."""
    radius: float
    """Inner radius of the barrel [mm]."""
    half_length: float
    """abs(z) at which the endcap begins [mm]."""

    @classmethod
    def of(cls, detector: Detector) -> Self:
        """The face of a detector.

        >>> from partflow.core.known_detectors import CLD
        >>> print(CalorimeterFace.of(CLD))
        cld (calorimeter from r = 2150 mm and abs(z) = 2307 mm on)
        """
        return cls(detector.name, detector.ecal.inner_radius, detector.ecal.endcap_z)

    def __str__(self) -> str:
        return (
            f"{self.detector} (calorimeter from r = {self.radius:g} mm and "
            f"abs(z) = {self.half_length:g} mm on)"
        )
