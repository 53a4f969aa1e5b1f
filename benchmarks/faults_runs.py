"""Faults of whole runs: ``il-robot launch`` on an emulated lab of one leader and follower, its processes killed.

The time to the hold ends with the stamp of control's step that says so (or, without control, with the follower's last
goal); the time to sleep when no servo has torque any more.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import rclpy
from fault_times import Times, wait_until
from rclpy.executors import SingleThreadedExecutor
from trajectory_msgs.msg import JointTrajectory

from hardware.emulated_bus import EmulatedBus
from hardware.emulated_lab import Hands, open_lab, write_lab
from hardware.emulated_rig import EmulatedRig
from il_robot.episodes.reader import Episode
from il_robot.rig import PedalButtons
from il_robot.types import Gate
from il_robot_ros import messages, topics
from il_robot_ros.graph_process import GRACE_S
from il_robot_ros.runner import STOP_S


class Run:
    """A run that drives, with hands at its leader; the steps that it publishes."""

    def __init__(self, lab: Path, emulated: EmulatedRig, launcher: subprocess.Popen[bytes]) -> None:
        self.emulated, self.launcher, self.data = emulated, launcher, lab.parent / "data"
        (self.follower,) = (bus for name, bus in emulated.buses.items() if name.startswith("follower"))
        self.held_ns: list[int] = []
        """The stamps of steps that hold."""
        self.steps = 0
        self._ending = threading.Event()
        self._node = rclpy.create_node("watch")
        self._node.create_subscription(JointTrajectory, topics.STEP, self._on_step, topics.STREAM)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        wait_until(lambda: self.steps > 50 or launcher.poll() is not None, "it drives", 0.05)

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._node.destroy_node()

    def kill(self, node: str) -> None:
        """``kill -9`` for one process, or the launcher."""
        if node == "launcher":
            self.launcher.kill()
        else:
            os.kill(self.process(node), signal.SIGKILL)

    def process(self, node: str) -> int:
        """Its number."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                session = int((entry.parent / "stat").read_text().rpartition(")")[2].split()[3])
                named = f"-m\0il_robot_ros\0{node}\0" in entry.read_text()
            except OSError:
                continue  # it ended meanwhile
            if named and session == self.launcher.pid:
                return int(entry.parent.name)
        raise SystemExit(f"{node} does not run")

    def record(self) -> None:
        """The operator presses the pedal; an episode is recorded for two seconds."""
        self.emulated.pedal.tap(PedalButtons().record)
        wait_until(lambda: bool(list(self.data.glob("*.zarr"))), "an episode begins", 0.02)
        time.sleep(2.0)

    def limp(self) -> bool:
        return not any(s["Torque_Enable"] for bus in self.emulated.buses.values() for s in bus.do("state").values())

    def goals(self) -> list[int]:
        return [servo["Goal_Position"] for servo in self.follower.do("state").values()]

    def _on_step(self, message: JointTrajectory) -> None:
        self.steps += 1
        if int(message.header.frame_id.split("/")[2]) & Gate.FAULT:
            self.held_ns.append(messages.from_stamp(message.header.stamp))

    def _listen(self) -> None:
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        while not self._ending.is_set():
            executor.spin_once(timeout_sec=0.1)


@contextmanager
def run_of(graph: str, sleeps: bool = True) -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        lab = Path(name) / "lab"
        write_lab("koch", lab)
        described, wiring, calibration, emulated = open_lab(lab)
        stack.enter_context(emulated)
        stack.enter_context(Hands(described, wiring, calibration, emulated).at_work())
        log = stack.enter_context((lab / "log").open("w"))
        arguments = [f"rig:={lab}"] + ([f"dataset:={lab.parent / 'data'}", "task:=wave"] if graph == "collect" else [])
        launcher = subprocess.Popen(
            [sys.executable, "-m", "il_robot.cli", "launch", graph, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(launcher.wait, 2 * STOP_S)
        run = Run(lab, emulated, launcher)
        stack.callback(run.close)
        if launcher.poll() is not None:
            raise SystemExit((lab / "log").read_text())
        yield run
        if sleeps:
            wait_until(run.limp, "every arm is asleep", 0.05)


def killed(node: str, graph: str = "teleop") -> tuple[float | None, float]:
    """Seconds to the hold (None where control itself is gone, or nothing holds) and until every arm is asleep."""
    with run_of(graph) as run:
        began_s = time.time()
        run.kill(node)
        slept_s = wait_until(run.limp, "every arm is asleep", 0.02) - began_s
        held = [stamp / 1e9 - began_s for stamp in run.held_ns if stamp / 1e9 > began_s]
        return (held[0] if held else None), slept_s


def asked_to_stop() -> tuple[float | None, float]:
    with run_of("teleop") as run:
        began_s = time.time()
        os.killpg(run.launcher.pid, signal.SIGINT)
        return None, wait_until(run.limp, "every arm is asleep", 0.02) - began_s


def control_killed() -> tuple[float | None, float]:
    """The follower's last goal before it goes to sleep counts as the hold: nobody else commands it."""
    with run_of("teleop") as run:
        began_s = moved_s = time.time()
        run.kill("control")
        goals = run.goals()
        while time.time() - began_s < GRACE_S / 2:
            if (now := run.goals()) != goals:
                goals, moved_s = now, time.time()
        slept_s = wait_until(run.limp, "every arm is asleep", 0.02) - began_s
        return moved_s - began_s, slept_s


def bus_fault(fault: Callable[[EmulatedBus], object], cure: str) -> tuple[float | None, float]:
    """Something is wrong on the follower's bus; after the hold it is well again."""
    with run_of("teleop") as run:
        began_s = time.time()
        fault(run.follower)
        wait_until(lambda: bool(run.held_ns), "it holds")
        run.follower.do(cure)
        time.sleep(1.5)
        os.killpg(run.launcher.pid, signal.SIGINT)
        return run.held_ns[0] / 1e9 - began_s, wait_until(run.limp, "every arm is asleep", 0.02) - began_s


def pedal_pulled() -> tuple[float | None, float]:
    with run_of("teleop") as run:
        began_s = time.time()
        run.emulated.pedal.close()
        wait_until(lambda: bool(run.held_ns), "it holds")
        os.killpg(run.launcher.pid, signal.SIGINT)
        return run.held_ns[0] / 1e9 - began_s, wait_until(run.limp, "every arm is asleep", 0.02) - began_s


def disk_full() -> tuple[float | None, float]:
    """The kernel refuses every further byte of the recorder's, as a full disk does; what was recorded is whole."""
    with run_of("collect") as run:
        run.record()
        began_s = time.time()
        recorder = run.process("recorder")
        resource.prlimit(recorder, resource.RLIMIT_FSIZE, (1, resource.prlimit(recorder, resource.RLIMIT_FSIZE)[1]))
        slept_s = wait_until(run.limp, "every arm is asleep", 0.02) - began_s
        (path,) = run.data.glob("*.zarr")
        if not (episode := Episode(path)).steps or episode.recorded.fault is None:
            raise SystemExit(f"{path}: {episode.steps} steps, fault {episode.recorded.fault}")
        return next(stamp / 1e9 - began_s for stamp in run.held_ns if stamp / 1e9 > began_s), slept_s


def arms_killed() -> tuple[float | None, float]:
    """Nobody is left who could bring the arms to sleep: they keep their torque."""
    with run_of("teleop", sleeps=False) as run:
        began_s = time.time()
        run.kill("arms")
        wait_until(lambda: bool(run.held_ns), "it holds")
        run.launcher.wait(2 * STOP_S)
        if not all(servo["Torque_Enable"] for servo in run.follower.do("state").values()):
            raise SystemExit("the follower lost its torque with its driver")
        return run.held_ns[0] / 1e9 - began_s, time.time() - began_s


def measure(rounds: int) -> Iterator[Times]:
    """Every row that takes a whole run."""
    ends_s = GRACE_S + STOP_S  # the move itself takes as long as the way is: 0.6 rad/s at most
    rows: tuple[tuple[str, float | None, float | None, Callable[[], tuple[float | None, float]]], ...] = (
        ("servo adapter unplugged", 0.25, None, lambda: bus_fault(lambda bus: bus.do("unplug"), "plug")),
        ("a servo stops answering", 0.25, None, lambda: bus_fault(lambda bus: bus.do("mute", ids=[3]), "unmute")),
        ("pedal unplugged", 1.6, None, pedal_pulled),
        ("control is killed", 0.05, ends_s, control_killed),
        ("the pedal's process is killed", 1.6, ends_s, lambda: killed("pedal")),
        ("the arms' process is killed", 0.25, None, arms_killed),
        ("the cameras' process is killed", None, ends_s, lambda: killed("cameras")),
        ("the recorder is killed", 1.05, ends_s, lambda: killed("recorder", "collect")),
        ("the disk fills up", 1.05, ends_s, disk_full),
        ("the launcher is killed", None, STOP_S, lambda: killed("launcher")),
        ("Ctrl-C", None, STOP_S, asked_to_stop),
    )
    rclpy.init()
    try:
        for fault, hold_s, sleep_s, once in rows:
            took = [once() for _ in range(rounds)]
            if hold_s is not None:
                yield Times(fault, "hold", hold_s, tuple(held for held, _ in took if held is not None))
            if sleep_s is not None:
                yield Times(fault, "every arm asleep and free", sleep_s, tuple(slept for _, slept in took))
    finally:
        rclpy.shutdown()
