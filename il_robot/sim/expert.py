"""The scripted human: puppeteers both leader arms through transfer cube, from what it sees alone.

It knows nothing but the observation (joints and the cube's pose), so it can be a process of its own. It judges from
poses which phase it is in and falls back when the cube slips, so it can take over from any state of the rig.
"""

from __future__ import annotations

import math

import numpy as np

from il_robot.rig import Rig
from il_robot.sim.kinematics import Pose
from il_robot.sim.manner import Style, draw_manner
from il_robot.sim.motion import ArmMotion
from il_robot.sim.sight import View, look, near, turned, yaw_of
from il_robot.types import Floats, Observation

PHASES = ("reach", "descend", "grasp", "lift", "carry", "advance", "receive", "release", "hold")

MEETING_M = (0.0, -0.019, 0.25)
"""Where the cube changes hands."""
PITCH_RAD = math.radians(60)
"""How far the right gripper leans down, from picking up to letting go."""
CLOSED = 0.25
"""Opening asked for to grip; the 4 cm cube stops the fingers at 0.51."""
_HOLDING_STEPS = 40

RIGHT_CARRIES = turned(2, math.pi) @ turned(1, PITCH_RAD)
LEFT_TAKES = turned(0, math.pi / 2)
"""The left gripper lies on its side: it closes on the top and bottom of the cube, between the right one's fingers."""


class Expert:
    """Drives the leaders; one call of :meth:`act` a step."""

    def __init__(self, rig: Rig, *, style: Style = "closed_loop", seed: int = 0) -> None:
        """Raises BadInput on a style that does not exist and on a rig that is not a stationary ALOHA."""
        self._rig = rig
        self._rng = np.random.default_rng(seed)
        self._style = style
        self._left = ArmMotion(rig, "left", rig.start)
        self._right = ArmMotion(rig, "right", rig.start)
        self.reset()

    def reset(self, observation: Observation | None = None) -> None:
        """Begins anew: from ``observation`` (a takeover), or from the first one that :meth:`act` sees."""
        self.phase = PHASES[0]
        """The phase it is in, one of PHASES."""
        self._manner = draw_manner(self._style, self._rng)
        self._steps = self._steps_in_phase = self._pause = 0
        self._started = False
        if observation is not None:
            self._start(observation)

    @property
    def done(self) -> bool:
        """The left gripper has closed on the cube alone, 0.8 s ago or more."""
        return self.phase == "hold" and self._steps_in_phase > _HOLDING_STEPS

    def act(self, observation: Observation) -> Floats:
        """(J,) where the leaders go in this step, never faster than 65 % of the rig's velocity limits.

        Raises BadInput when the observation lacks the cube's pose.
        """
        if not self._started:
            self._start(observation)
        view = self._look(observation)
        self._change_phase(view)
        self._steps += 1
        if self._pause > 0:
            self._pause -= 1
            self._left.rest()
            self._right.rest()
        else:
            self._steps_in_phase += 1
            self._move_right(view)
            self._move_left(view)
        action = np.empty(len(self._rig.joints), np.float32)
        action[self._rig.arm_slice("left")] = self._left.command
        action[self._rig.arm_slice("right")] = self._right.command
        return action

    def _start(self, observation: Observation) -> None:
        self._left.start_from(observation.qpos)
        self._right.start_from(observation.qpos)
        self._started = True
        view = self._look(observation)
        if view.left_has and view.right_has:
            self.phase = "release"
        elif view.right_has:
            self.phase = "lift"
        elif view.left_could:
            self.phase = "hold"

    def _look(self, observation: Observation) -> View:
        return look(self._rig, observation, self._left.kinematics, self._right.kinematics)

    # Phases: when one ends.

    def _change_phase(self, view: View) -> None:
        phase = self._fallback(view) or (self._following(view) if self._pause == 0 else None)
        if phase is None:
            return
        if PHASES.index(phase) > PHASES.index(self.phase):
            self._pause = self._manner.pause(self._rng)
        self.phase = phase
        self._steps_in_phase = 0

    def _fallback(self, view: View) -> str | None:
        """Where to start again when what the phase relies on is no longer so."""
        if self.phase in ("lift", "carry", "advance", "receive") and not near(view.right, view.cube, 0.05):
            return "hold" if view.left_could else "reach"
        if self.phase == "reach" and view.left_could:
            return "hold"
        if self.phase in ("release", "hold") and not near(view.left, view.cube, 0.05):
            return "reach"
        if self.phase in ("descend", "grasp") and not near(view.right, view.cube, 0.16):
            return "reach"
        return None

    def _following(self, view: View) -> str | None:
        """The next phase once this one is finished and, in timed demonstrations, its time has come."""
        if self._steps < self._manner.schedule_s.get(self.phase, 0.0) * self._rig.rate_hz:
            return None
        right, left, cube = view.right, view.left, view.cube
        match self.phase:
            case "reach" if near(right, self._above(cube), 0.02, 0.15) and view.right_opening > 0.85:
                return "descend"
            case "descend" if near(right, self._grasp(cube), 0.008, 0.15):
                return "grasp"
            case "grasp" if self._steps_in_phase > 8 and view.right_grip_speed < 0.1:
                return "lift" if view.right_has else "reach"
            case "lift" if right.position[2] > 0.07:
                return "carry"
            case "carry" if near(right, self._meeting(), 0.015, 0.1) and near(left, self._before(cube), 0.03, 0.15):
                return "advance"
            case "advance" if near(left, self._take(cube), 0.008, 0.15):
                return "receive"
            case "receive" if self._steps_in_phase > 8 and view.left_grip_speed < 0.1:
                return "release" if view.left_has else "advance"
            case "release" if view.right_opening > 0.8:
                return "hold"
        return None

    # Motions: where the arms go in a phase.

    def _move_right(self, view: View) -> None:
        arm, cube, speed = self._right, view.cube, self._manner.speed
        arm.grip(1.0 if self.phase in ("reach", "descend", "release", "hold") else CLOSED, speed)
        match self.phase:
            case "reach":
                above = self._above(cube)
                far = not near(view.right, above, 0.12, 0.8)
                (arm.along_joints if far else arm.along_line)(self._wandering(above), speed)
            case "descend" | "grasp":
                arm.along_line(self._grasp(cube), speed)
            case "lift":
                arm.along_line(Pose(view.right.position + np.array([0.0, 0.0, 0.05]), view.right.rotation), speed)
            case "carry" | "advance" | "receive":
                arm.along_joints(self._wandering(self._meeting()), speed)
            case "release":
                arm.rest()
            case "hold":
                aside = Pose(np.array([0.18, MEETING_M[1], 0.33]), RIGHT_CARRIES)
                arm.along_line(aside, speed)

    def _move_left(self, view: View) -> None:
        arm, speed = self._left, self._manner.speed
        arm.grip(CLOSED if self.phase in ("receive", "release", "hold") else 1.0, speed)
        match self.phase:
            case "reach" | "descend" | "grasp" | "lift":
                waiting = np.array(MEETING_M) + self._manner.meeting + np.array([-0.2, 0.0, 0.03])
                arm.along_joints(Pose(waiting, LEFT_TAKES), speed)
            case "carry":
                arm.along_joints(self._before(Pose(self._meeting().position, np.eye(3))), speed)
            case "advance":
                arm.along_line(self._approach(view), speed)
            case "receive":
                arm.along_line(self._take(view.cube), speed)
            case "release":
                arm.rest()
            case "hold":
                arm.along_line(Pose(np.array(MEETING_M) + np.array([-0.12, 0.0, 0.03]), LEFT_TAKES), speed)

    # Goals.

    def _wandering(self, goal: Pose) -> Pose:
        return Pose(goal.position + self._manner.drift(self._rng), goal.rotation)

    def _grasp(self, cube: Pose) -> Pose:
        """On the cube, fingers along the two faces that the right arm meets most squarely."""
        toward = cube.position - self._right.kinematics.base
        azimuth = math.atan2(toward[1], toward[0])
        quarter = math.pi / 2
        yaw = yaw_of(cube)
        heading = yaw + round((azimuth - yaw) / quarter) * quarter
        position = cube.position + np.array([0.0, 0.0, 0.004])
        return Pose(position, turned(2, heading) @ turned(1, PITCH_RAD))

    def _above(self, cube: Pose) -> Pose:
        grasp = self._grasp(cube)
        return Pose(grasp.position - 0.08 * grasp.rotation[:, 0], grasp.rotation)

    def _meeting(self) -> Pose:
        return Pose(np.array(MEETING_M) + self._manner.meeting, RIGHT_CARRIES)

    def _take(self, cube: Pose) -> Pose:
        return Pose(cube.position, LEFT_TAKES)

    def _approach(self, view: View) -> Pose:
        """Onto the cube if the left fingers then pass between the right ones, else back in front of it."""
        ahead, *beside = view.cube.position - view.left.position
        aligned = math.hypot(*beside) < (0.005 if ahead > 0.05 else 0.009)
        return self._take(view.cube) if aligned else self._before(view.cube)

    def _before(self, cube: Pose) -> Pose:
        return Pose(cube.position + np.array([-0.1, 0.0, 0.0]), LEFT_TAKES)
