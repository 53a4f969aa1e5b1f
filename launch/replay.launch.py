"""ros2 launch launch/replay.launch.py --show-args"""

from launch import LaunchDescription

from il_robot_ros.ros2_launch import describe


def generate_launch_description() -> LaunchDescription:
    return describe("replay")
