"""Which run something is of, wherever the run's folder lies now."""

from __future__ import annotations

import hashlib
import json

import cattrs

from il_robot.training.description import Description
from il_robot.training.resuming import FREE

# A setting that only a later il-robot has must not make older runs others: it has its default there.
_PLAIN = cattrs.Converter(omit_if_default=True)


def identity(description: Description) -> str:
    """Sixteen letters for a run: the same for a copy and after ``--resume``, others where policy, seed, the
    data or a setting differ, but for those that a run may change while it goes on, such as its steps."""
    data = _PLAIN.unstructure(description)
    for path in FREE:
        part, _, name = path.partition(".")
        data[part].pop(name, None)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
