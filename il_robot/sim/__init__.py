"""The simulated rig: a MuJoCo model of the stationary ALOHA, its task, its cameras and a scripted human."""
