"""Faults as control meets them: the real control process; what is around it is played (:mod:`played_rig`).

The time ends with the stamp of the step that says so, which is sent to the followers in the same tick.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import rclpy
from fault_times import Times, wait_until
from played_rig import TICK_S, Played
from sensor_msgs.msg import Joy
from trajectory_msgs.msg import JointTrajectory

from il_robot.types import Gate, Mode
from il_robot_ros import topics
from il_robot_ros.graph_process import Process

HOLDS = Gate.FAULT | Gate.STALE | Gate.NOT_FINITE


@contextmanager
def control(autonomous: bool) -> Iterator[tuple[Played, subprocess.Popen[bytes]]]:
    """Control and what is played around it, driving."""
    rclpy.init()
    played = Played()
    process = Process("control", {"rig": "koch", "autonomous": autonomous, "recorded": True})
    running = subprocess.Popen(process.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        played.settle()
        yield played, running
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(20)
        played.close()
        rclpy.shutdown()


def silence(played: Played, source: str) -> float:
    """From the last word of a source to the hold."""
    played.silent.add(source)
    took_s = played.until_step(time.time_ns(), lambda step: bool(step.gate & Gate.FAULT), f"hold without {source}")
    played.silent.discard(source)
    return took_s


def changed(played: Played, name: str, value: object, gate: Gate, back: object) -> float:
    """From something said that must not be followed to the step whose gate says so."""
    since_ns = time.time_ns()
    setattr(played, name, value)
    took_s = played.until_step(since_ns, lambda step: bool(step.gate & gate), f"{gate} after {name}")
    setattr(played, name, back)
    return took_s


def paused(played: Played, running: subprocess.Popen[bytes]) -> float:
    """A control that was kept from the processor for 50 ms: its next tick, against its deadline."""
    os.kill(running.pid, signal.SIGSTOP)
    time.sleep(0.05)
    since_ns = time.time_ns()
    os.kill(running.pid, signal.SIGCONT)
    return played.until_step(since_ns, lambda step: True, "a tick after a pause")


def moved_away(played: Played) -> float:
    """The leader is moved away during a hold: how long control drove, once the cause of the hold was gone (never)."""
    near = played.leader
    played.silent.add("pedal")
    wait_until(lambda: bool(played.steps[-1].gate & Gate.FAULT), "hold without pedal", 0.02)
    played.leader = near - np.float32(0.5)
    time.sleep(0.2)
    since_ns = time.time_ns()
    played.silent.discard("pedal")
    time.sleep(1.0)
    driven = [step for step in played.steps if step.time_ns > since_ns and not step.gate & Gate.FAULT]
    played.leader = near
    return len(driven) * TICK_S


def rival(played: Played, kind: type[Joy] | type[JointTrajectory], topic: str) -> float:
    """Another writer: from the moment it is there, which DDS takes a while to tell."""
    since_ns = time.time_ns()
    other = played.node.create_publisher(kind, topic, topics.NEWEST)
    took_s = played.until_step(since_ns, lambda step: bool(step.gate & Gate.FAULT), "hold with a rival")
    played.node.destroy_publisher(other)
    return took_s


def taken_over(played: Played) -> float:
    """The pedal goes down while the leader is far away: the followers hold, and the press is undone afterwards."""
    played.leader = played.rig.start + np.float32(0.5)
    time.sleep(0.1)
    since_ns = time.time_ns()
    for button in (1, 0):
        played.buttons[3] = button
        played.say_pedal()
    took_s = played.until_step(since_ns, lambda step: step.mode is Mode.TRANSITION, "aligning")
    played.leader = played.rig.start.copy()
    wait_until(lambda: played.steps[-1].mode is Mode.HUMAN, "the human drives", 0.02)
    for button in (1, 0):
        played.buttons[3] = button
        played.say_pedal()
    wait_until(lambda: played.steps[-1].mode is Mode.ROBOT, "the robot drives", 0.02)
    return took_s


def measure(rounds: int) -> Iterator[Times]:
    """Every row that control alone answers for."""

    def times(fault: str, until: str, promised_s: float, once: Callable[[], float]) -> Times:
        seconds = []
        for _ in range(rounds):
            played.settle()
            seconds.append(once())
        return Times(fault, until, promised_s, tuple(seconds))

    with control(autonomous=False) as (played, running):
        start = played.rig.start
        beyond = np.where(np.arange(len(start)) == 1, played.rig.upper + np.float32(0.02), start).astype(np.float32)
        played.leader = np.where(np.arange(len(start)) == 1, played.rig.upper - np.float32(0.05), start).astype(
            np.float32
        )
        time.sleep(1.5)  # a hold before the follower is there would go on: the leader would be too far away
        near, far = played.leader, played.leader - np.float32(0.15)
        nan = np.full(len(start), np.nan, np.float32)
        for arm in (played.arm.follower, played.arm.leader):
            yield times(
                f"{arm.split('_')[0]}'s state stops coming", "hold", 0.2 + TICK_S, partial(silence, played, arm)
            )
        yield times(
            "asked beyond a limit", "clipped", 2 * TICK_S, lambda: changed(played, "leader", beyond, Gate.LIMIT, near)
        )
        yield times(
            "asked too fast", "slowed down", 2 * TICK_S, lambda: changed(played, "leader", far, Gate.VELOCITY, near)
        )
        yield times("asked a NaN", "hold", 2 * TICK_S, lambda: changed(played, "leader", nan, Gate.NOT_FINITE, near))
        yield times(
            "asked something 0.25 s old", "hold", 2 * TICK_S, lambda: changed(played, "late_ns", 250_000_000, HOLDS, 0)
        )
        yield times("recorder silent", "hold", 1.0 + TICK_S, lambda: silence(played, "recorder"))
        yield times("pedal silent", "hold", 1.5 + TICK_S, lambda: silence(played, "pedal"))
        yield times("leader moved away during a hold", "drove meanwhile", 0.0, lambda: moved_away(played))
        command = topics.joint_command(played.arm.follower)
        yield times(
            "another process commands the follower",
            "hold",
            1.0 + 2 * TICK_S,
            lambda: rival(played, JointTrajectory, command),
        )
        yield times("another process has a pedal, too", "hold", 3 * TICK_S, lambda: rival(played, Joy, topics.PEDAL))
        yield times("control kept from the processor", "next tick", TICK_S + 0.005, lambda: paused(played, running))
    with control(autonomous=True) as (played, running):
        wait_until(lambda: played.steps[-1].mode is Mode.ROBOT, "the robot drives", 0.02)
        nan = np.full_like(played.chunk, np.nan)
        chunk = played.chunk
        yield times("policy silent", "hold", 0.4 + TICK_S, lambda: silence(played, "policy"))
        yield times("policy predicts NaN", "hold", 0.4 + TICK_S, lambda: changed(played, "chunk", nan, HOLDS, chunk))
        yield times(
            "predictions stamped 1 s ahead", "hold", 0.4 + TICK_S, lambda: changed(played, "ahead_ns", 10**9, HOLDS, 0)
        )
        yield times("leader far away at a takeover", "hold", 2 * TICK_S, lambda: taken_over(played))
