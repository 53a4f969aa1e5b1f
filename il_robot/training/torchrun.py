"""What ``torchrun`` is told of an error, which its own report would bury otherwise."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from il_robot.errors import IlRobotError


@contextmanager
def told_to_torchrun() -> Iterator[None]:
    """While entered, an error's line is left in the file that torchrun, where it started this process, ends its report
    with (``torch.distributed.elastic.multiprocessing.errors``)."""
    try:
        yield
    except IlRobotError as error:
        file = os.environ.get("TORCHELASTIC_ERROR_FILE")
        if file is not None:
            with suppress(OSError):  # the line is printed all the same
                Path(file).write_text(json.dumps({"message": str(error), "timestamp": int(time.time())}))
        raise
