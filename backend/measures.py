"""Measures: what one process counts and times itself; it costs microseconds, and `/metrics` shows it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """The counters and histograms of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._alerts = Counter(
            "vigie_alerts_raised", "New alerts stored by this process", ["category", "source"], registry=self.registry
        )
        self._commit = Histogram(
            "vigie_alert_commit_seconds", "From the first look at an alert until it was on disk", buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._emit = Histogram(
            "vigie_feed_emit_seconds", "From a change until it was written to sockets", ["audience"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip

    def alert_stored(self, category: str | None, source: str, seconds: float) -> None:
        """A new alert is on disk."""
        self._alerts.labels(category or "unknown", source).inc()
        self._commit.observe(seconds)

    def emitted(self, audience: str, seconds: float) -> None:
        """A change has been written to the sockets of an audience (`team:…` counts as `team`)."""
        self._emit.labels(audience.partition(":")[0]).observe(max(0.0, seconds))
