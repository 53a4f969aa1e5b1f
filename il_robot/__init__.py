"""il-robot: teach a two-armed robot by puppeteering it.

The core. It opens no device and knows no ROS message; ``hardware`` opens the devices,
``ros2_ws/src/il_robot_ros`` carries the messages.
"""

__version__ = "0.1.0"
