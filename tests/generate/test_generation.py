import numpy as np
import pytest

from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLD
from partflow.core.records import Events, concatenate_events
from partflow.generate import PROCESSES, GenerationConfig, Gun, generate
from partflow.generate.pythia import start_pythia


def events(chunk_size: int = 500, **settings) -> Events:  # type: ignore[no-untyped-def]
    return concatenate_events(list(generate(GenerationConfig(**settings), chunk_size)))


@pytest.mark.parametrize("process", PROCESSES)
def test_energy_momentum_and_charge_are_those_of_the_beams(process: str) -> None:
    particles = events(process=process, num_events=10).particles
    for name, expected in (("energy", 380.0), ("px", 0.0), ("py", 0.0), ("pz", 0.0)):
        total = np.bincount(particles.event_index, particles.columns[name], 10)
        np.testing.assert_allclose(total, expected, atol=1e-6)
    charge = np.bincount(particles.event_index, particles.charge, 10)
    assert (charge == 0).all()


def test_an_event_depends_neither_on_the_chunk_size_nor_on_the_number_of_events() -> None:
    many = events(process="qq", num_events=12, seed=5)
    few = events(process="qq", num_events=7, seed=5, chunk_size=2)
    assert few.event_id.tolist() == many.event_id[:7].tolist()
    for name, values in few.particles.columns.items():
        np.testing.assert_array_equal(values, many[:7].particles.columns[name])


def test_events_of_another_seed_or_process_have_other_ids() -> None:
    first = events(num_events=3, process="ww", seed=1)
    assert set(first.event_id) & set(events(num_events=3, process="ww", seed=2).event_id) == set()
    assert set(first.event_id) & set(events(num_events=3, process="zh", seed=1).event_id) == set()
    assert len(set(events(num_events=2000, process="gun").event_id)) == 2000


def test_light_quarks_have_the_energy_of_the_beams_without_radiation() -> None:
    particles = events(process="uds", num_events=5, energy=91.2).particles
    total = np.bincount(particles.event_index, particles.energy, 5)
    np.testing.assert_allclose(total, 91.2, atol=1e-6)


def test_initial_state_radiation_in_qq_goes_along_the_beams() -> None:
    particles = events(process="qq", num_events=60).particles
    momentum = np.sqrt(particles.px**2 + particles.py**2 + particles.pz**2)
    along_beam = np.abs(particles.pz) > 0.999 * momentum
    assert ((particles.pdg_id == 22) & along_beam & (particles.energy > 50)).any()


def test_strange_hadrons_decay_inside_the_tracker_and_pions_do_not() -> None:
    particles = events(process="uds", num_events=40).particles
    radius = np.hypot(particles.vx, particles.vy)
    pions = np.abs(particles.pdg_id) == 211
    assert (radius[pions] > 10).any()
    assert radius.max() < 1500
    assert np.abs(particles.vz).max() < 2307
    assert not (np.abs(particles.pdg_id) == 111).any()


def test_strange_hadrons_decay_inside_the_tracker_of_the_detector() -> None:
    """CLD's ends at 2150 mm; collisions and event ids are the same."""
    config = GenerationConfig("uds", 400, seed=3)
    (clic,) = generate(config)
    (cld,) = generate(config.made_for(CLD))
    assert np.array_equal(clic.event_id, cld.event_id)
    assert np.hypot(clic.particles.vx, clic.particles.vy).max() < 1500
    assert 1500 < np.hypot(cld.particles.vx, cld.particles.vy).max() < 2150
    with pytest.raises(ConfigError, match="decay_radius -1"):
        GenerationConfig("uds", 4, decay_radius=-1.0)


def test_a_gun_makes_the_particle_energy_and_angle_of_its_configuration() -> None:
    gun = Gun(pdg_id=-211, energy=(5.0, 10.0), cos_theta=(0.2, 0.4))
    particles = events(process="gun", num_events=200, gun=gun).particles
    assert particles.counts.tolist() == [1] * 200
    assert (particles.charge == -1).all()
    assert particles.energy.min() >= 5
    assert particles.energy.max() <= 10
    momentum = np.sqrt(particles.energy**2 - particles.mass**2)
    cos_theta = particles.pz / momentum
    assert cos_theta.min() >= 0.2
    assert cos_theta.max() <= 0.4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"process": "ttH"},
            "'ttH' is unknown; choose one of qq, uds, ttbar, ww, zh, ",
        ),
        ({"process": "ttbar", "energy": 91.2}, "below the threshold of ttbar"),
        ({"num_events": -1}, "-1 events"),
        ({"seed": -4}, "seed -4"),
        ({"process": "qq", "energy": float("nan")}, "nan GeV"),
    ],
)
def test_an_invalid_setting_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GenerationConfig(**settings)  # type: ignore[arg-type]


def test_an_invalid_gun_is_refused() -> None:
    with pytest.raises(ConfigError, match="gun energy"):
        Gun(energy=(10.0, 1.0))
    with pytest.raises(ConfigError, match="cos"):
        Gun(cos_theta=(-2.0, 1.0))
    with pytest.raises(ConfigError, match="below the mass of 2212"):
        events(process="gun", num_events=5, gun=Gun(pdg_id=2212, energy=(0.1, 1.0)))


def test_zero_events_give_no_chunk() -> None:
    assert list(generate(GenerationConfig(num_events=0))) == []


def test_every_particle_has_the_vertex_of_the_event_record() -> None:
    """Some versions of Pythia give particles of a batch the vertices of others."""
    config = GenerationConfig(process="uds", num_events=6, seed=3)
    (chunk,) = generate(config)
    pythia = start_pythia(config)
    for i in range(config.num_events):
        assert pythia.next()
        stable = [p for p in pythia.event if p.status() > 0]
        event = chunk.particles[i : i + 1]
        for name, reference in (("vx", "xProd"), ("vy", "yProd"), ("vz", "zProd")):
            expected = [getattr(p, reference)() for p in stable]
            np.testing.assert_array_equal(event.columns[name], expected)
