"""A contestant in another interpreter, for a library that does not fit into this environment: asked step by step.

The other side is a script that answers each JSON line on its input with one on its output, see ``peer_side.py``.
A peer that breaks or takes too long is out, with the reason; it never holds the others up.
"""

from __future__ import annotations

import json
import selectors
import subprocess
from pathlib import Path
from typing import Any


class Peer:
    """One running script. Once :attr:`out` says why, it takes part no more."""

    def __init__(self, name: str, python: Path, script: Path, arguments: list[str]) -> None:
        self.name = name
        self.out = ""
        self._log = Path(arguments[-1]).with_suffix(".log")
        command = [str(python), str(script), *arguments]
        with self._log.open("w") as log:
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
                )
            except OSError as error:
                self.out = f"{name} was not measured: {error}"

    def ask(self, patience_s: float, **question: Any) -> Any:
        """Its answer, or None when it is out, or goes out over this question."""
        if self.out:
            return None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            print(json.dumps(question), file=stdin, flush=True)
        except BrokenPipeError:
            self._leave(self._last_words())
            return None
        with selectors.DefaultSelector() as waiting:
            waiting.register(stdout, selectors.EVENT_READ)
            if not waiting.select(patience_s):
                self._leave(f"{question['do']} took longer than {patience_s:g} s")
                return None
        try:
            line = stdout.readline()
            if line:
                return json.loads(line)
            self._leave(self._last_words())
        except ValueError:
            self._leave("its answer is not JSON")
        return None

    def close(self) -> None:
        """End the script."""
        if not self.out:
            self._leave("it was done")

    def _leave(self, reason: str) -> None:
        self.out = f"{self.name} did not finish: {reason}"
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        return (self._log.read_text().strip() or "it ended without a word").splitlines()[-1]
