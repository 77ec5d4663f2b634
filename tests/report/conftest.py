"""Toy events for the tests of the report."""

from tests.toy_events import fill, toy_events, with_one_more_cluster

__all__ = ["fill", "toy_events", "with_one_more_cluster"]
