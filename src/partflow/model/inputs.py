"""Inputs of the encoders: the columns of each element, transformed.

Energies and lengths become logarithms, signed quantities sign(x) log(1 + |x| / scale), positions a
direction and a depth behind the calorimeter's face. Nothing here is fitted; `embedding`
standardises the inputs. The cost is linear in the number of elements.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE
from partflow.core.features import TRACK, ClusterFeature, ExtraFeature, TrackFeature
from partflow.core.schemas import DEPTH_PROFILE, HIT_SPECTRUM
from partflow.model.config import ModelConfig

LOG_ENERGY_FLOOR = 1e-3
"""Lower bound of an energy in a logarithm [GeV]: below every threshold of the detector."""
MIN_LENGTH = 1e-3
"""Lower bound of a length that is divided by [mm]."""
IMPACT_SCALE = 0.01
"""Scale of impact parameters [mm]: their resolution."""
CURVATURE_SCALE = 1e-4
"""Scale of curvatures [1/mm]: a track of about 12 GeV in 4 T."""
DEDX_SCALE = 1e-6
"""Scale of energy losses [GeV/mm]."""
FACE_DEPTH_SCALE = 30.0
"""Scale of depths behind the calorimeter's face [mm]: about three radiation lengths of the ECAL."""
WIDTH_SCALE = 10.0
"""Scale of widths and lengths of clusters [mm]: a cell of the ECAL."""

Columns = dict[str, Tensor]
"""Inputs by name, one value for each track or cluster."""


def misses_calorimeter(features: Float[Tensor, "element feature"]) -> Bool[Tensor, " element"]:
    """Whether each element is a track that does not reach the calorimeter, or is not known to.

    The end of its helix is no position of a shower, so such a track has no neighbours and owns no
    energy of clusters.
    """
    is_track = features[:, TrackFeature.TYPE] == TRACK
    return is_track & (features[:, ExtraFeature.FACE_REGION] == FACE_NONE)


def track_inputs(
    features: Float[Tensor, "track feature"], config: ModelConfig
) -> Float[Tensor, "track input"]:
    """`track_columns` as one tensor."""
    return torch.stack(list(track_columns(features, config).values()), 1)


def cluster_inputs(
    features: Float[Tensor, "cluster feature"], config: ModelConfig
) -> Float[Tensor, "cluster input"]:
    """`cluster_columns` as one tensor."""
    return torch.stack(list(cluster_columns(features, config).values()), 1)


def track_columns(features: Float[Tensor, "track feature"], config: ModelConfig) -> Columns:
    """Inputs of each track from its own columns, by name."""
    f, extra = TrackFeature, ExtraFeature
    impact, z0 = features[:, f.D0], features[:, f.Z0]
    region = features[:, extra.FACE_REGION]
    columns = {
        "log_pt": _log_energy(features[:, f.PT]),
        "log_p": _log_energy(features[:, f.P]),
        "eta": features[:, f.ETA],
        "sin_phi": features[:, f.SIN_PHI],
        "cos_phi": features[:, f.COS_PHI],
        "d0": _signed_log(impact, IMPACT_SCALE),
        "z0": _signed_log(z0, IMPACT_SCALE),
        "distance_to_origin": torch.log1p(torch.hypot(impact, z0) / IMPACT_SCALE),
        "omega": _signed_log(features[:, f.OMEGA], CURVATURE_SCALE),
        "log_inner_radius": torch.log(features[:, f.RADIUS_OF_INNERMOST_HIT].clamp(min=1.0)),
        "log_outer_radius": torch.log(features[:, extra.RADIUS_OF_OUTERMOST_HIT].clamp(min=1.0)),
        "chi2": torch.log1p(features[:, f.CHI2].clamp(min=0.0)),
        "ndf": features[:, f.NDF],
        "dedx": _signed_log(features[:, f.DEDX], DEDX_SCALE),
        "time": features[:, f.TIME],
        "num_yoke_hits": features[:, extra.NUM_YOKE_HITS],
        "reaches_barrel": (region == FACE_BARREL).to(features.dtype),
        "reaches_endcap": (region == FACE_ENDCAP).to(features.dtype),
    }
    columns |= _position_inputs(features, config)
    direction = features[:, extra.FACE_DX : extra.FACE_DZ + 1]
    return columns | {f"direction_{axis}": direction[:, i] for i, axis in enumerate("xyz")}


def cluster_columns(features: Float[Tensor, "cluster feature"], config: ModelConfig) -> Columns:
    """Inputs of each cluster from its own columns, by name."""
    f, extra = ClusterFeature, ExtraFeature
    energy = features[:, f.ENERGY].clamp(min=LOG_ENERGY_FLOOR)
    hadronic = features[:, extra.ENERGY_HADRONIC].clamp(min=LOG_ENERGY_FLOOR)
    columns = {
        "log_et": _log_energy(features[:, f.ET]),
        "log_energy": torch.log(energy),
        "log_hadronic": torch.log(hadronic),
        "compensation": torch.log(hadronic / energy),
        "eta": features[:, f.ETA],
        "sin_phi": features[:, f.SIN_PHI],
        "cos_phi": features[:, f.COS_PHI],
        "ecal_fraction": features[:, f.ENERGY_ECAL] / energy,
        "other_fraction": features[:, f.ENERGY_OTHER] / energy,
        "log_ecal": torch.log1p(features[:, f.ENERGY_ECAL].clamp(min=0.0)),
        "log_hcal": torch.log1p(features[:, f.ENERGY_HCAL].clamp(min=0.0)),
        "log_num_hits": torch.log1p(features[:, f.NUM_HITS].clamp(min=0.0)),
        "sigma_t": _log_length(torch.hypot(features[:, f.SIGMA_X], features[:, f.SIGMA_Y])),
        "sigma_z": _log_length(features[:, f.SIGMA_Z]),
        "energy_per_hit": torch.log(energy / features[:, f.NUM_HITS].clamp(min=1.0)),
    }
    columns |= _shape_inputs(features, energy)
    columns |= _position_inputs(features, config)
    # The barrel ends at the endcap's face, at all radii.
    is_endcap = features[:, f.Z].abs() > config.face_half_length
    return columns | {"is_endcap": is_endcap.to(features.dtype)}


def _shape_inputs(features: Tensor, energy: Tensor) -> Columns:
    """Distributions of a cluster's `energy` in depth, over its hits and about its axis."""
    extra = ExtraFeature
    fractions = {
        name: features[:, ExtraFeature[name.upper()]] / energy
        for name in (*DEPTH_PROFILE, *HIT_SPECTRUM)
    }
    return fractions | {
        "core_fraction": features[:, extra.CORE_FRACTION],
        "max_hit_fraction": features[:, extra.MAX_HIT_FRACTION],
        "axis_length": _log_length(features[:, extra.LENGTH]),
        "axis_width": _log_length(features[:, extra.WIDTH]),
        "first_depth": torch.log1p(
            features[:, extra.FIRST_DEPTH].clamp(min=0.0) / FACE_DEPTH_SCALE
        ),
    }


def _position_inputs(features: Tensor, config: ModelConfig) -> Columns:
    """Direction, depth and place of a position: that of a track at the calorimeter's face (or at
    the end of its helix), or the centroid of a cluster.
    """
    extra = ExtraFeature
    position = features[:, extra.FACE_X : extra.FACE_Z + 1]
    z = position[:, 2]
    radius = torch.hypot(position[:, 0], position[:, 1])
    unit = position / torch.linalg.vector_norm(position, dim=1, keepdim=True).clamp(min=MIN_LENGTH)
    barrel_depth = radius - config.face_radius
    endcap_depth = z.abs() - config.face_half_length
    depth = torch.maximum(barrel_depth, endcap_depth)
    return {
        "unit_x": unit[:, 0],
        "unit_y": unit[:, 1],
        "unit_z": unit[:, 2],
        "radius": radius / config.face_radius,
        "z": z / config.face_half_length,
        "depth": depth / (10 * FACE_DEPTH_SCALE),
        "log_depth": torch.log1p(depth.clamp(min=0.0) / FACE_DEPTH_SCALE),
    }


def _log_energy(energy: Tensor) -> Tensor:
    return torch.log(energy.clamp(min=LOG_ENERGY_FLOOR))


def _log_length(length: Tensor) -> Tensor:
    return torch.log1p(length.clamp(min=0.0) / WIDTH_SCALE)


def _signed_log(value: Tensor, scale: float) -> Tensor:
    return torch.sign(value) * torch.log1p(value.abs() / scale)
