"""ACT: Action Chunking with Transformers (Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation").

A conditional variational auto-encoder. While training, the style z of a window is inferred from its actions,
``q(z | a_{t:t+k}, state_t)``; the policy ``pi(a_{t:t+k} | o_t, z)`` is a transformer that reads style, state and
images and writes all k actions at once. Loss: ``|a - pi|_1 + beta KL(q || N(0, 1))`` (algorithm 1). At test
time z = 0, the prior's mean (algorithm 2).

Differences from the authors' code, all on purpose: the loss counts only steps that exist; one decoder layer
does what their seven configured ones did (only the first reached the loss); no unused ``is_pad`` head; a position in
a feature map is counted in cells, where theirs goes from 0 to 2 pi over the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from il_robot.errors import BadInput
from il_robot.policies.inputs import Inputs
from il_robot.policies.linear import Linear
from il_robot.policies.network import Batch, Loss, kl_from_standard_normal, valid_l1
from il_robot.policies.sizes import DEEPEST, check_sizes
from il_robot.policies.transformer import DecoderLayer, EncoderLayer, sinusoid, xavier
from il_robot.policies.vision import CameraEncoder, VisionConfig


@dataclass(frozen=True)
class ActConfig:
    """The defaults are for two CPU cores; the ``paper`` preset has the original's dimensions."""

    chunk_size: int = 50
    width: int = 128
    heads: int = 4
    feed_forward: int = 256
    encoder_layers: int = 2
    decoder_layers: int = 1
    style_layers: int = 1
    """Of the CVAE encoder; 0 leaves the CVAE out."""
    latent: int = 16
    kl_weight: float = 10.0
    dropout: float = 0.0
    vision: VisionConfig = field(default_factory=VisionConfig)

    def __post_init__(self) -> None:
        check_sizes(
            "act",
            self.dropout,
            chunk_size=self.chunk_size,
            width=self.width,
            heads=self.heads,
            feed_forward=self.feed_forward,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            latent=self.latent,
        )
        if not 0 <= self.style_layers <= DEEPEST:
            raise BadInput(f"act: style_layers {self.style_layers}; allowed: 0 to {DEEPEST}")
        if not 0 <= self.kl_weight < math.inf:
            raise BadInput(f"act: kl_weight {self.kl_weight}; allowed: 0 and more")
        if self.width % self.heads or self.width % 4:
            raise BadInput(f"act: width {self.width} must be a multiple of 4 and of heads ({self.heads})")


class StyleEncoder(nn.Module):
    """``q(z | a, state)``: reads [CLS, state, a_1 .. a_k], writes mean and log-variance (B, latent) at CLS."""

    def __init__(self, config: ActConfig, inputs: Inputs) -> None:
        super().__init__()
        width = config.width
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.state = Linear(inputs.state_size, width)
        self.action = Linear(len(inputs.joints), width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, config.heads, config.feed_forward, config.dropout) for _ in range(config.style_layers)
        )
        self.head = Linear(width, 2 * config.latent)
        self.register_buffer("position", sinusoid(config.chunk_size + 2, width), persistent=False)

    def forward(self, state_BS: Tensor, action_BkJ: Tensor, pad_Bk: Tensor) -> tuple[Tensor, Tensor]:
        # Padded steps are masked as keys, but 0 * nan would still be nan: their values are cleared too.
        actions = self.action(action_BkJ.masked_fill(pad_Bk.unsqueeze(-1), 0.0))
        cls = self.cls.expand(len(state_BS), -1, -1)
        tokens = torch.cat([cls, self.state(state_BS).unsqueeze(1), actions], 1)
        pad = torch.cat([pad_Bk.new_zeros(len(pad_Bk), 2), pad_Bk], 1)
        for layer in self.layers[:-1]:
            tokens = layer(tokens, self.position, pad)
        tokens = self.layers[-1](tokens, self.position, pad, only=1)
        mean, log_variance = self.head(tokens[:, 0]).chunk(2, -1)
        return mean, log_variance


class Act(nn.Module):
    """(B, S) and images -> (B, k, J)."""

    def __init__(self, config: ActConfig, inputs: Inputs) -> None:
        super().__init__()
        width = config.width
        layer = (width, config.heads, config.feed_forward, config.dropout)
        self.latent = config.latent
        self.kl_weight = config.kl_weight
        self.style = StyleEncoder(config, inputs) if config.style_layers else None
        self.latent_token = Linear(config.latent, width)
        self.state_token = Linear(inputs.state_size, width)
        self.token_position = nn.Parameter(torch.randn(2, width) * 0.02)
        self.encoder = nn.ModuleList(EncoderLayer(*layer) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(*layer) for _ in range(config.decoder_layers))
        self.query = nn.Parameter(torch.randn(config.chunk_size, width))
        self.norm = nn.LayerNorm(width)
        self.head = Linear(width, len(inputs.joints))
        for module in (self.style, self.encoder, self.decoder):
            if module is not None:
                xavier(module)
        self.cameras = CameraEncoder(config.vision, inputs.cameras, width) if inputs.cameras else None

    def decode(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor], z_BL: Tensor) -> Tensor:
        """``pi(a | o, z)``: (B, k, J) normalised action chunks."""
        memory = torch.stack([self.latent_token(z_BL), self.state_token(state_BS)], 1)
        position: Tensor = self.token_position
        if self.cameras is not None:
            tokens, where = self.cameras(images_BHWC)
            memory, position = torch.cat([memory, tokens], 1), torch.cat([position, where], 0)
        for layer in self.encoder:
            memory = layer(memory, position)
        chunk = torch.zeros_like(self.query).unsqueeze(0)
        for layer in self.decoder:
            chunk = layer(chunk, self.query, memory, position)
        actions: Tensor = self.head(self.norm(chunk))
        return actions

    def predict(self, state_BS: Tensor, images_BHWC: Mapping[str, Tensor]) -> Tensor:
        """(B, k, J) normalised action chunks, with the prior's mean for the style."""
        return self.decode(state_BS, images_BHWC, state_BS.new_zeros(len(state_BS), self.latent))

    def loss(self, batch: Batch) -> Loss:
        """L1 over the steps that exist, plus ``kl_weight`` times the KL divergence of the style."""
        if self.style is None:
            l1 = valid_l1(
                self.predict(batch.state_BS, batch.images_BHWC), batch.action_BkJ, batch.pad_Bk, batch.absent_BJ
            )
            return Loss(l1, {"l1": l1})
        mean, log_variance = self.style(batch.state_BS, batch.action_BkJ, batch.pad_Bk)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        l1 = valid_l1(
            self.decode(batch.state_BS, batch.images_BHWC, z), batch.action_BkJ, batch.pad_Bk, batch.absent_BJ
        )
        kl = kl_from_standard_normal(mean, log_variance)
        return Loss(l1 + self.kl_weight * kl, {"l1": l1, "kl": kl})
