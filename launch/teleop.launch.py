"""ros2 launch launch/teleop.launch.py --show-args"""

from launch import LaunchDescription

from il_robot_ros.ros2_launch import describe


def generate_launch_description() -> LaunchDescription:
    return describe("teleop")
