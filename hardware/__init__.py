"""Everything that opens a device: servo buses, arms, cameras, pedals."""
