"""The episode store: one zarr v3 group per episode, one JPEG per frame, nothing lost by a crash.

The format is written down in ``docs/episode-format.md``.
"""
