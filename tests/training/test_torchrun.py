from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from il_robot.errors import BadInput
from il_robot.training.train import train


def test_an_errors_line_ends_torchruns_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    with pytest.raises(BadInput) as raised:
        train("bc", (tmp_path / "absent",), out=tmp_path / "run")
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=2, error_file=str(tmp_path / "error.json"))
    assert failure.message == str(raised.value)
