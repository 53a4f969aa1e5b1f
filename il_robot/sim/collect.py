"""Records demonstrations of the scripted human faster than real time, through the same writer as a real rig."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import simplejpeg

from il_robot.counted import counted
from il_robot.crew import PUT_AWAY, Crew
from il_robot.episodes.layout import EpisodeInfo, episode_info
from il_robot.episodes.writer import EpisodeWriter
from il_robot.errors import BadInput, Fault, nearest
from il_robot.rig import Camera, Rig
from il_robot.sim import rollout
from il_robot.sim.expert import Expert
from il_robot.sim.manner import Style
from il_robot.sim.rollout import Outcome
from il_robot.sim.task import Milestone
from il_robot.sim.tasks import DEMONSTRATION_SEEDS
from il_robot.sim.world import World
from il_robot.stopping import StopRequest
from il_robot.types import Floats, Frame, Image, Mode, Observation, Step

EPISODE_STEPS = 500
"""The longest a demonstration may take."""
_FAILURES_PER_EPISODE = 3
"""More failed demonstrations than this for each one asked for: something is wrong with the rig."""


@dataclass(frozen=True)
class Demonstration:
    outcome: Outcome
    kept: Path | None
    """The episode; None where it was thrown away."""


@dataclass
class Collected:
    """What a collection came to."""

    kept: list[Path] = field(default_factory=list)
    """The episodes, all of them held at the end, in the order of their seeds."""
    failed: list[Outcome] = field(default_factory=list)
    """Demonstrations that were thrown away."""
    steps: int = 0
    """Of the kept episodes together."""

    def take(self, demonstration: Demonstration) -> None:
        """Counts one more."""
        if demonstration.kept is None:
            self.failed.append(demonstration.outcome)
            return
        bisect.insort(self.kept, demonstration.kept)
        self.steps += demonstration.outcome.steps


def collect(
    dataset: Path,
    rig: Rig,
    *,
    task: str = "transfer_cube",
    episodes: int,
    seed: int = 0,
    style: Style = "closed_loop",
    workers: int = 1,
    progress: Callable[[Collected], None] | None = None,
) -> Collected:
    """Adds ``episodes`` held demonstrations to the folder ``dataset``; the cameras recorded are those of ``rig``.

    Demonstration number i starts from seed ``seed + i``; the same arguments give the same data, however many
    processes (``workers``) record it. ``progress`` is called after each demonstration. Raises BadInput on arguments
    that cannot be used, Fault when the disk or the expert fails.
    """
    if episodes < 1:
        raise BadInput(f"--episodes {episodes}; allowed: 1 and more")
    if not 0 <= seed <= DEMONSTRATION_SEEDS - episodes:
        raise BadInput(
            f"seed: {seed} for {counted(episodes, 'episode')}; allowed: 0 to {DEMONSTRATION_SEEDS} - episodes"
        )
    collected, begun = Collected(), 0
    with Crew[int, Demonstration](workers, _demonstrating, dataset, rig, task, style) as crew:
        while missing := episodes - len(collected.kept):
            # Never more than are missing: none is recorded that one process alone would not have come to.
            for demonstration in crew.each(range(seed + begun, seed + begun + missing)):
                collected.take(demonstration)
                if progress is not None:
                    progress(collected)
                if len(collected.failed) > _FAILURES_PER_EPISODE * episodes:
                    failed = counted(len(collected.failed), "demonstration")
                    raise Fault(f"{dataset}: {failed} failed for {len(collected.kept)} kept")
            begun += missing
    return collected


def with_cameras(rig: Rig, names: tuple[str, ...] | None = None, size: tuple[int, int] | None = None) -> Rig:
    """``rig`` with only the cameras called ``names`` (None: all), at ``size`` (height, width) where given.

    Raises BadInput on a camera the rig does not have and on a size below 16 pixels.
    """
    if size is not None and min(size) < 16:
        raise BadInput(f"image size {size[0]}x{size[1]} (height x width): the least is 16x16")
    for name in names or ():
        if name not in rig.camera_names:
            raise BadInput(f"rig {rig.name} has no camera {name!r}; {nearest(name, rig.camera_names)}")
    kept = [camera for camera in rig.cameras if names is None or camera.name in names]
    if size is not None:
        kept = [replace(camera, height=size[0], width=size[1]) for camera in kept]
    return replace(rig, cameras=tuple(kept))


@contextmanager
def _demonstrating(dataset: Path, rig: Rig, task: str, style: Style) -> Iterator[Callable[[int], Demonstration]]:
    """Seed -> its demonstration, recorded."""
    with closing(World(rig, task)) as world:
        yield lambda seed: _demonstrate(dataset, world, seed, style)


def _demonstrate(dataset: Path, world: World, seed: int, style: Style) -> Demonstration:
    """One demonstration from ``seed``: kept if it ends held, else thrown away.

    Raises KeyboardInterrupt when it is to stop; nothing half-made is left then.
    """
    with StopRequest(PUT_AWAY) as stop:
        demonstration = _recorded(dataset, world, seed, style, stop)
    if stop.asked:
        raise KeyboardInterrupt
    return demonstration


def _recorded(dataset: Path, world: World, seed: int, style: Style, stop: StopRequest) -> Demonstration:
    rig = world.rig
    expert = Expert(rig, style=style, seed=seed)
    world.reset(seed)
    info = _facts(world, seed, style)
    # Faster than real time the disk may fall behind for a moment: the whole episode may wait for it.
    writer = EpisodeWriter.create(dataset, info, episode_id=f"sim_{style}_{seed:06d}", queue_steps=EPISODE_STEPS + 1)
    with ExitStack() as thrown_away:
        thrown_away.callback(writer.discard)
        outcome = rollout.run(
            world,
            expert.act,
            seed=seed,
            steps=EPISODE_STEPS,
            cameras=rig.camera_names,
            on_step=_recorder(writer, rig),
            until=lambda: expert.done or stop.asked,
        )
        if not outcome.held:
            return Demonstration(outcome, None)
        thrown_away.pop_all()
    return Demonstration(outcome, writer.close(outcome="success"))


def _facts(world: World, seed: int, style: Style) -> EpisodeInfo:
    return episode_info(
        world.rig,
        task=world.task,
        operator=f"scripted, {style}",
        effort_unit="N m, gripper N",
        clock="simulated",
        scene={"seed": seed, "cube": world.cube.tolist()},
        configuration={"style": style, "seed": seed},
    )


def _recorder(writer: EpisodeWriter, rig: Rig) -> rollout.Listener:
    """A listener that appends each step, its images encoded, to ``writer``."""
    cameras = {camera.name: camera for camera in rig.cameras}

    def append(index: int, observation: Observation, action: Floats, _: Milestone) -> None:
        seen = replace(observation, images={})
        time_ns = observation.time_ns
        stamps = (time_ns,) * len(rig.arms)
        step = Step(time_ns, seen, stamps, action_asked=action, action=action, mode=Mode.DEMONSTRATION)
        writer.append(step, _frames(cameras, observation.images, time_ns, index))

    return append


def _frames(cameras: Mapping[str, Camera], images: Mapping[str, Image], time_ns: int, index: int) -> dict[str, Frame]:
    return {name: Frame(encode(image, cameras[name].quality), time_ns, index) for name, image in images.items()}


def encode(image: Image, quality: int) -> bytes:
    """``image`` (H, W, 3) RGB as a JPEG, colour at half resolution as cameras do."""
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return jpeg
