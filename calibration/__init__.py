"""Numbers that tie a rig to the world: joint zeros, gripper openings, cameras, latencies. Opens no device."""
