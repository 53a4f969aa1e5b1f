"""The ROS 2 messages of an exported bag, each with the definitions of all the types it uses, as ``ros2msg`` has them.

The fields are those of std_msgs, geometry_msgs and sensor_msgs (Jazzy), without their comments.
"""

from __future__ import annotations

_HEADER = {
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec\n",
}
_POSE = {
    "geometry_msgs/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation\n",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z\n",
    "geometry_msgs/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w\n",
}


def _schema(fields: str, used: dict[str, str]) -> str:
    parts = [fields, *(f"MSG: {name}\n{text}" for name, text in used.items())]
    return f"{'=' * 80}\n".join(parts)


SCHEMAS = {
    "sensor_msgs/msg/JointState": _schema(
        "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n", _HEADER
    ),
    "sensor_msgs/msg/CompressedImage": _schema("std_msgs/Header header\nstring format\nuint8[] data\n", _HEADER),
    "geometry_msgs/msg/PoseStamped": _schema("std_msgs/Header header\ngeometry_msgs/Pose pose\n", {**_HEADER, **_POSE}),
    "std_msgs/msg/String": "string data\n",
    "std_msgs/msg/Int8": "int8 data\n",
    "std_msgs/msg/Int32": "int32 data\n",
    "std_msgs/msg/UInt8": "uint8 data\n",
}
"""Full name -> definition."""
