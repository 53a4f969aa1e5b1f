"""Other projects' data sets: ALOHA HDF5, LeRobot v3, ROS 2 MCAP. What is converted how: ``docs/conversion.md``."""
