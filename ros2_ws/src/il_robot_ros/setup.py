"""Builds the ROS package for colcon; il-robot itself (core, hardware, calibration) comes from pip."""

from setuptools import setup

NODES = ("arms", "cameras", "control", "pedal", "policy", "puppeteer", "recorder", "replay", "sim")

setup(
    name="il_robot_ros",
    version="0.1.0",
    packages=["il_robot_ros"],
    package_data={"il_robot_ros": ["*.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/il_robot_ros"]),
        ("share/il_robot_ros", ["package.xml"]),
    ],
    license="Apache-2.0",
    description="The ROS 2 graph of il-robot",
    entry_points={"console_scripts": [f"{node} = il_robot_ros.{node}:main" for node in NODES]},
)
