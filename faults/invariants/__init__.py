"""What must be true whatever happened, I1 to I13: one checker for unit, property, fault and soak tests.

`check` looks at a database alone; `faults_of` at everything that an experiment has gathered.
"""

from __future__ import annotations

from faults.invariants.database import check, faults_in
from faults.invariants.evidence import Evidence, faults_of

__all__ = ["Evidence", "check", "faults_in", "faults_of"]
