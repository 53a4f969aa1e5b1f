"""Names and quality of service of every topic, in one place.

Quality of service, and why (measured on two cores, Fast DDS):

* Everything the robot or the data set depends on is RELIABLE: best effort loses most raw images and gains nothing.
* ``NEWEST`` keeps one message: a command or state that was overtaken is of no use.
* ``STREAM`` keeps 50 (one second): a recorder that stalls for a moment must lose nothing.
* ``LATCHED`` keeps the last word for who comes late: modes and states that are published on change.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from il_robot.rig import Rig

NEWEST = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=1)
STREAM = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=50)
LATCHED = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
)

PEDAL = "/pedal"
"""sensor_msgs/Joy, STREAM: the state of every button on each edge."""
STEP = "/control/step"
"""trajectory_msgs/JointTrajectory, STREAM: what was observed, asked and sent in one tick."""
DRIVER = "/control/driver"
"""std_msgs/String, LATCHED: who drives now (a word of :class:`il_robot.control.takeover.State`)."""
CHUNK = "/policy/action_chunk"
"""trajectory_msgs/JointTrajectory, STREAM: predicted targets; its stamp is the observation's."""
RECORDER = "/recorder/state"
"""std_msgs/String, LATCHED and repeated as a heartbeat: waiting for ... | ready | recording | saving | refusing: ..."""
REFUSING = "refusing: "
"""What the recorder says, and why, when somebody else publishes what it records: nothing is taken then."""
WAITING_FOR_CONTROL = "waiting for control"
"""What the recorder says when only control is missing, which itself waits until the recorder says this."""
DIAGNOSTICS = "/diagnostics"
MILESTONE = "/scene/milestone"
"""std_msgs/String, LATCHED: the furthest milestone of the task in this scene (simulation only)."""
RESET = "/scene/reset"
"""std_srvs/Trigger: put the scene back for the next episode (simulation only)."""
KNOCK = "/scene/knock"
"""std_srvs/Trigger: knock the object away (simulation only)."""
PLACE_CUBE = "/scene/place_cube"
"""geometry_msgs/PoseStamped, NEWEST: put the cube there, at rest (simulation only)."""


def joint_states(arm: str) -> str:
    """sensor_msgs/JointState of the arm ``leader_left``, ``follower_left`` ..."""
    return f"/{arm}/joint_states"


def joint_command(arm: str) -> str:
    """trajectory_msgs/JointTrajectory with one point: where the arm shall be one period later."""
    return f"/{arm}/joint_trajectory"


def torque(arm: str) -> str:
    """std_srvs/SetBool: motors on or off."""
    return f"/{arm}/set_torque"


def hand(arm: str) -> str:
    """Where the (simulated) human's hand moves a leader that is free."""
    return f"/{arm}/hand"


def image(camera: str) -> str:
    """sensor_msgs/CompressedImage."""
    return f"/{camera}/image_raw/compressed"


def pose(thing: str) -> str:
    """geometry_msgs/PoseStamped of an object whose pose something knows."""
    return f"/objects/{thing}/pose"


def of_process(name: str, rig: Rig) -> tuple[str, ...]:
    """What a process of this name publishes from when it has everything that it needs."""
    once_up = {"pedal": PEDAL, "control": STEP, "recorder": RECORDER, "policy": CHUNK, "replay": CHUNK}
    return tuple(map(image, rig.camera_names)) if name == "cameras" else (once_up[name],)


def of_one_session(rig: Rig) -> tuple[str, ...]:
    """What only one process in a ROS domain may publish."""
    arms = [name for arm in rig.arms for name in (arm.follower, arm.leader)]
    moving = [topic(name) for name in arms for topic in (joint_states, joint_command)]
    seen = [*map(image, rig.camera_names), *map(pose, rig.objects)]
    return (*moving, *seen, PEDAL, STEP, DRIVER, CHUNK, RECORDER)
