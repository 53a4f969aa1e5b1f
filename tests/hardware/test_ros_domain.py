"""The ROS domain of a process."""

from __future__ import annotations

import pytest

from hardware.ros_domain import ros_domain
from il_robot.errors import BadInput


@pytest.mark.parametrize(("said", "domain"), [(None, 0), ("", 0), ("7", 7), ("101", 101), ("232", 232)])
def test_a_domain_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, said: str | None, domain: int) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    if said is not None:
        monkeypatch.setenv("ROS_DOMAIN_ID", said)
    assert ros_domain() == domain


@pytest.mark.parametrize("said", ["233", "-1", "1.5", "abc", "9" * 5000])
def test_a_domain_that_cannot_be_is_one_line(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", said)
    with pytest.raises(BadInput, match=f"^ROS_DOMAIN_ID={said[:20]}; allowed: a whole number from 0 to 101, to 232 "):
        ros_domain()
