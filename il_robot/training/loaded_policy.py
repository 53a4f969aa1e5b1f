"""A trained policy, ready to drive: observation in, action chunk out."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from il_robot.counted import counted
from il_robot.errors import BadInput, nearest
from il_robot.policies.catalogue import Network, build
from il_robot.policies.history import History, Moment
from il_robot.policies.inputs import Inputs, images_of, state_of
from il_robot.rig import Rig
from il_robot.training.checkpoint import check_fits_network, load_tensors
from il_robot.training.compiling import told_compiler
from il_robot.training.description import Description, read_description
from il_robot.training.device import check_device
from il_robot.training.memory import keep_freed_memory, told_memory
from il_robot.training.predictor import Predictor
from il_robot.training.recipe import Precision
from il_robot.training.run_folder import WeightsName, check_weights_there, weights_path
from il_robot.types import ActionChunk, Observation


class LoadedPolicy:
    """An :class:`il_robot.types.Policy`. It resizes images itself, exactly as they were resized for training."""

    def __init__(
        self,
        description: Description,
        network: Network,
        device: str = "cpu",
        precision: Precision = "fp32",
        *,
        compile: bool = False,
    ) -> None:
        self.description = description
        self._computed = Predictor(network, device, precision, compile=compile)
        self._period_ns = description.rig.period_ns
        self._history = History(description.inputs, self._period_ns)

    @property
    def rig(self) -> Rig:
        """The rig it was trained on."""
        return self.description.rig

    @property
    def inputs(self) -> Inputs:
        """The joints, objects and cameras (with the resolution it looks at) that it needs."""
        return self.description.inputs

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras it needs."""
        return tuple(camera.name for camera in self.inputs.cameras)

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the objects whose poses it needs."""
        return self.inputs.objects

    @property
    def chunk_size(self) -> int:
        """k."""
        return self.description.network.chunk_size

    def observe(self, observation: Observation) -> None:
        """Remembers what a later prediction may look back on. Raises BadInput when something needed is missing."""
        state = state_of(observation.qpos, observation.objects, self.inputs)
        normalised = self.description.statistics.normalise_state(state)
        self._history.add(observation.time_ns, Moment(normalised, images_of(observation, self.inputs)))

    def predict(self, observation: Observation) -> ActionChunk:
        """The next k joint targets. Raises BadInput when the observation lacks something it needs."""
        self.observe(observation)
        chunk = self._computed(self._history.state(), self._history.images())
        qpos = self.description.statistics.restore_action(chunk)
        return ActionChunk(qpos, observation.time_ns, self._period_ns)

    def reset(self) -> None:
        """Forgets the history."""
        self._history.clear()


def load_policy(
    run: Path | str,
    rig: Rig | None = None,
    device: str = "cpu",
    weights: WeightsName = "last",
    precision: Precision = "fp32",
    *,
    compile: bool = False,
) -> LoadedPolicy:
    """The policy trained in ``run``; one forward pass is made so that the first real one is not slow.

    A compiled one is compiled again where ``torch.set_num_threads`` is called after it. Raises BadInput when ``run`` is
    damaged or something else, or does not fit ``rig``; Fault when memory runs out or nothing can be compiled.
    """
    run = Path(run)
    check_device(device)
    keep_freed_memory()
    description = read_description(run)
    if rig is not None:
        check_fits(description, rig, run)
    tensors, _ = read_weights(run, description, weights)
    with (
        told_memory(device, "the policy needs a larger one"),
        told_compiler("or let the policy drive without --compile (launch: compile:=false)")
        if compile
        else nullcontext(),
    ):
        network = build(description.network, description.inputs)
        network.load_state_dict(tensors)
        policy = LoadedPolicy(description, network, device, precision, compile=compile)
        policy.predict(_blank(description))
    policy.reset()
    return policy


def read_weights(run: Path, description: Description, weights: WeightsName) -> tuple[dict[str, Tensor], int | None]:
    """A run's weights, and the training step they are of, if their file tells.

    Raises BadInput when there are none, or damaged or other ones than it describes."""
    path = weights_path(run, weights)
    check_weights_there(run, weights, "--weights last")
    tensors, facts = load_tensors(path)
    # Without memory: a damaged configuration may ask for more than there is.
    with torch.device("meta"):
        check_fits_network(build(description.network, description.inputs), tensors, path)
    step = facts.get("step", "")
    return tensors, int(step) if step.isdecimal() and len(step) < 18 else None


def check_fits(description: Description, rig: Rig, where: Path) -> None:
    """Raises BadInput when the policy cannot drive ``rig``."""
    needs = description.inputs
    if needs.joints != rig.joint_names:
        pairs = zip(needs.joints, rig.joint_names, strict=False)
        odd = next((f"{a!r} where the rig has {b!r}" for a, b in pairs if a != b), None)
        what = odd or f"{counted(len(needs.joints), 'joint')}; the rig has {len(rig.joint_names)}"
        raise BadInput(f"{where}: trained on another rig ({description.rig.name}) than {rig.name}: {what}")
    if description.rig.rate_hz != rig.rate_hz:
        raise BadInput(f"{where}: trained at {description.rig.rate_hz:g} Hz; rig {rig.name} runs at {rig.rate_hz:g} Hz")
    for camera in needs.cameras:
        if camera.name not in rig.camera_names:
            cure = nearest(camera.name, rig.camera_names)
            raise BadInput(f"{where}: needs camera {camera.name!r}, which rig {rig.name} does not have; {cure}")
    for name in needs.objects:
        if name not in rig.objects:
            cure = nearest(name, rig.objects)
            raise BadInput(f"{where}: needs the pose of {name!r}, which rig {rig.name} does not know; {cure}")


def _blank(description: Description) -> Observation:
    inputs = description.inputs
    return Observation(
        qpos=description.rig.start,
        time_ns=0,
        images={c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in inputs.cameras},
        objects={name: np.array([0, 0, 0, 1, 0, 0, 0], np.float32) for name in inputs.objects},
    )
