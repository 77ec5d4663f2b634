import os

import pytest

from partflow.core.threads import SPIN_COUNT, available_cores, shorten_waiting

SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    """The user has chosen nothing; what a test sets is removed afterwards."""
    for name in SETTINGS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_threads_wait_for_a_short_time():
    shorten_waiting()
    assert os.environ["GOMP_SPINCOUNT"] == str(SPIN_COUNT)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_choice_of_the_user_is_kept(name, monkeypatch):
    monkeypatch.setenv(name, "7")
    shorten_waiting()
    assert {n: os.environ.get(n) for n in SETTINGS} == {n: "7" if n == name else None
                                                        for n in SETTINGS}  # fmt: skip


def test_there_is_a_core():
    assert available_cores() >= 1
