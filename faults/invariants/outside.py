"""What left the processes: pushes and logs. I3 nobody waits for ever, I8 no ghosts, I10 bounded, I12 private."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.delivery.models import Delivery
from faults.provider import Push

UNDER_WAY = timedelta(seconds=6)
"""A push that a worker had in its hands when the alert was taken may still go out: a lease, and the provider's time."""
_MISTAKES = re.compile(r'"event": ?"(mistake|live_mistake)"')


def outbox_settled(session: Session, now: datetime) -> Iterator[str]:
    """I3: at rest no message is claimed by nobody, and none is waited for after its use is over."""
    for row in session.scalars(select(Delivery).where(Delivery.settled_at.is_(None), Delivery.received_at.is_(None))):
        if row.claimed_until is not None and row.claimed_until < now - UNDER_WAY:
            yield f"I3: message {row.id} was claimed until {row.claimed_until} and nobody took it over"
        if row.useful_until < now - UNDER_WAY:
            yield f"I3: {row.kind} {row.id} by {row.channel} was of use until {row.useful_until}, and still waits"


def no_ghosts(session: Session, pushes: Sequence[Push]) -> Iterator[str]:
    """I8: nothing is pushed about what is over, and each push says when it ends to be of use."""
    ids = [uuid.UUID(one.data["delivery_id"]) for one in pushes if "delivery_id" in one.data]
    rows = {row.id: row for row in session.scalars(select(Delivery).where(Delivery.id.in_(ids)))}
    for push in pushes:
        at = datetime.fromtimestamp(push.at, UTC)
        if "exp" not in push.data or "delivery_id" not in push.data:
            yield f"I8: a push without its end or its number: {sorted(push.data)}"
            continue
        row = rows.get(uuid.UUID(push.data["delivery_id"]))
        if row is None:
            continue  # of an alert that an earlier experiment has cleared away
        if at > datetime.fromtimestamp(float(push.data["exp"]), UTC) + UNDER_WAY:
            yield f"I8: message {row.id} was pushed after its end"
        if row.settled_at is not None and at > row.settled_at + UNDER_WAY:
            yield f"I8: message {row.id} was settled ({row.settled_why}) {at - row.settled_at} before it was pushed"


def repeats(pushes: Sequence[Push]) -> int:
    """How many accepted pushes were the second or third of one message; phones drop them by their number."""
    counts = Counter(one.data.get("delivery_id") for one in pushes if one.status == 200)
    return sum(count - 1 for count in counts.values())


def private(texts: Mapping[str, str], canaries: Sequence[str]) -> Iterator[str]:
    """I12: nothing that a rider wrote, no token, no number and no place stands in logs, metrics or pushes."""
    for where, text in texts.items():
        for canary in canaries:
            if canary in text:
                line = next(one for one in text.splitlines() if canary in one)
                yield f"I12: {where} holds {canary[:12]}…: {line.replace(canary, '…')[:200]}"


def pushed_text(pushes: Sequence[Push]) -> str:
    """All that was handed to the provider, as one text; a phone's address is the provider's own."""
    messages = ({name: value for name, value in one.message.items() if name not in ("token", "fid")} for one in pushes)
    return "\n".join(orjson.dumps(message).decode() for message in messages)


def no_mistakes(logs: Mapping[str, str]) -> Iterator[str]:
    """No fault from outside may show a mistake of ours: an exception that nobody foresaw."""
    for name, text in logs.items():
        found = [line for line in text.splitlines() if _MISTAKES.search(line) or line.startswith("Traceback")]
        if found:
            yield f"{name} made {len(found)} mistakes, first: {found[0][:300]}"


@dataclass(frozen=True)
class Load:
    """What one process holds of its machine."""

    rss_mb: float
    threads: int
    files: int


def load_of(pids: Sequence[int]) -> Load:
    """Of a process with its children; nothing of one that has ended."""
    rss = threads = files = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            files += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        rss += int(fields.get("VmRSS", "0 kB").split()[0])
        threads += int(fields.get("Threads", "0"))
    return Load(rss / 1024, threads, files)


def bounded(before: Mapping[str, Load], after: Mapping[str, Load]) -> Iterator[str]:
    """I10: memory, threads and open files of each process are near what they were before the fault."""
    for name, load in after.items():
        was = before.get(name)
        if was is None:
            continue
        if load.rss_mb > was.rss_mb * 1.5 + 60:
            yield f"I10: {name} has {load.rss_mb:.0f} MB, it had {was.rss_mb:.0f}"
        if load.threads > was.threads + 30:
            yield f"I10: {name} has {load.threads} threads, it had {was.threads}"
        if load.files > was.files + 80:
            yield f"I10: {name} has {load.files} files open, it had {was.files}"
