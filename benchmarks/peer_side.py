"""The answering side of ``peer.py``: what every script that is asked over a pipe shares.

Only the standard library, for it runs in interpreters that have little else in common.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable


def answer(make: Callable[[], object]) -> None:
    """Makes a contestant and answers each question ``{"do": METHOD, ...}`` on the input by a line of JSON."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # The libraries print what they like; answers alone go out.
    contestant = make()
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(getattr(contestant, question.pop("do"))(**question)), file=answers)
