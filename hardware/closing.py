"""Things that are opened and must be closed: as a context, and closed in reverse when they were opened together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Something that is closed at the end of a ``with``."""

    @abstractmethod
    def close(self) -> None:
        """Closes it. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ClosingTogether(Closing):
    """Several devices as one. Opens them in a stack of its own and keeps them with ``self._opened = stack.pop_all()``:
    so all stay open or, when one cannot be opened, none."""

    _opened: ExitStack

    def close(self) -> None:
        """Closes all of them, the last one first. May be called twice."""
        self._opened.close()
