"""What ``make`` checks before it installs: missing system libraries are installed where it may, else named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/system-libraries"
NEEDED = ("libegl1", "libegl-mesa0", "libgl1", "libglib2.0-0")


class Machine:
    """A machine on which some commands answer as told; what ``apt-get`` and ``sudo`` are asked is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = folder / "asked"
        self.has("apt-get", f'echo "apt-get $*" >> {self._asked}')

    def has(self, command: str, does: str) -> None:
        file = self._folder / command
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)

    def check(self) -> subprocess.CompletedProcess[str]:
        path = f"{self._folder}:/usr/bin:/bin"
        return subprocess.run(["sh", str(SCRIPT)], env={"PATH": path}, capture_output=True, text=True, timeout=60)

    @property
    def asked(self) -> list[str]:
        return self._asked.read_text().splitlines() if self._asked.exists() else []


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """Nothing that is needed is installed, and its user is nobody special."""
    machine = Machine(tmp_path)
    machine.has("ldconfig", "exit 0")
    machine.has("id", "echo 1000")
    machine.has("sudo", "exit 1")
    return machine


def test_who_may_not_install_is_told_the_line_to_type(bare: Machine) -> None:
    done = bare.check()
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "type: sudo apt-get update && sudo apt-get install" in line
    assert all(f" {package}" in line for package in NEEDED)
    assert bare.asked == []


def test_root_installs(bare: Machine) -> None:
    bare.has("id", "echo 0")
    assert bare.check().returncode == 0
    update, install = bare.asked
    assert update == "apt-get update -qq"
    assert install.startswith("apt-get install -y") and all(f" {package}" in install for package in NEEDED)


def test_sudo_without_a_password_installs(bare: Machine) -> None:
    bare.has("sudo", '[ "$1" = -n ] && exit 0; while [ "${1#*=}" != "$1" ]; do export "$1"; shift; done; exec "$@"')
    assert bare.check().returncode == 0
    assert [line.split()[1] for line in bare.asked] == ["update", "install"]


def test_what_cannot_be_installed_fails(bare: Machine) -> None:
    bare.has("id", "echo 0")
    bare.has("apt-get", "exit 100")
    assert bare.check().returncode != 0


def test_a_machine_that_has_all_is_left_alone(bare: Machine) -> None:
    libraries = "libEGL.so.1 libEGL_mesa.so.0 libGL.so.1 libgthread-2.0.so.0"
    bare.has("ldconfig", f"echo {libraries}")
    bare.has("find", "echo swrast_dri.so")
    bare.has("python3", "exit 0")
    done = bare.check()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bare.asked == []
