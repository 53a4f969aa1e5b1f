"""The ROS 2 graph of il-robot: thin nodes over the core, one a file. ``graph`` says which processes make a run."""
