"""The zarr v3 codec ``jpeg``: one image (H, W, 3) or (1, H, W, 3) of uint8 RGB is one baseline JPEG.

Registered through the entry point group ``zarr.codecs``, so plain ``zarr.open`` reads an episode's
images wherever this package is installed. Names and options follow the codec proposed in
zarr-developers/zarr-extensions pull request 66. Decoding is strict (a damaged JPEG is an error, never grey
pixels) and accurate (the fast flags of libjpeg cost 1-2 dB).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec

from il_robot.types import Image

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON

NAME = "jpeg"
_SUBSAMPLING = [[2, 2], [1, 1], [1, 1]]
"""4:2:0: full luma, half chroma in both directions."""


def encode(image_HWC: Image, quality: int = 90) -> bytes:
    """One RGB image as a 4:2:0 JPEG."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(image_HWC), quality, "RGB", "420", fastdct=False)
    return cast(bytes, data)


def size_of(jpeg: bytes | memoryview) -> tuple[int, int]:
    """(height, width) from the header alone. Raises ValueError for what is not a JPEG."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    return int(height), int(width)


def decode(jpeg: bytes | memoryview, height: int, width: int, out: Image | None = None) -> Image:
    """The RGB pixels (height, width, 3), written into ``out`` if given. Raises ValueError for anything else."""
    _check_size(jpeg, height, width)
    image = simplejpeg.decode_jpeg(jpeg, "RGB", fastdct=False, fastupsample=False, buffer=out, strict=True)
    return cast(Image, image)


def decode_eighth(jpeg: bytes | memoryview, height: int, width: int) -> NDArray[np.uint8]:
    """Grey pixels of an eighth of the size, at about a third of the cost.

    The whole file is read for them, so it raises ValueError where :func:`decode` does.
    """
    _check_size(jpeg, height, width)
    small = simplejpeg.decode_jpeg(jpeg, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    return cast(NDArray[np.uint8], small[:, :, 0])


def _check_size(jpeg: bytes | memoryview, height: int, width: int) -> None:
    found_height, found_width = size_of(jpeg)
    if (found_height, found_width) != (height, width):
        raise ValueError(f"JPEG of {found_width}x{found_height} where {width}x{height} belongs")


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """See the module. ``quality`` is used only when zarr itself writes."""

    is_fixed_size = False

    quality: int = 90

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        configuration = data.get("configuration", {})
        if not isinstance(configuration, dict):
            raise ValueError("jpeg codec: configuration is not an object")
        quality = configuration.get("quality", 90)
        if not isinstance(quality, int) or not 1 <= quality <= 100:
            raise ValueError(f"jpeg codec: quality {quality!r} is not in 1..100")
        if configuration.get("encoded_color_space", "ycbcr") != "ycbcr":
            raise ValueError("jpeg codec: only encoded_color_space ycbcr is supported")
        return cls(quality=quality)

    def to_dict(self) -> dict[str, JSON]:
        return codec_metadata(self.quality)

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        if dtype.to_native_dtype() != np.uint8:
            raise ValueError("jpeg codec: it stores uint8 only")
        if not (len(shape) in {3, 4} and shape[-1] == 3):
            raise ValueError(f"jpeg codec: an array of shape {shape} is not images (..., height, width, 3)")

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        height, width, _ = _image_shape(chunk_spec.shape)
        image = decode(chunk_bytes.as_numpy_array().tobytes(), height, width)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(image.reshape(chunk_spec.shape))

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_array, chunk_spec)

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        image = chunk_array.as_numpy_array().reshape(_image_shape(chunk_spec.shape))
        return chunk_spec.prototype.buffer.from_bytes(encode(image, self.quality))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError("the size of a JPEG depends on the image")


def codec_metadata(quality: int) -> dict[str, JSON]:
    """The codec as it stands in a ``zarr.json``."""
    configuration = {"quality": quality, "encoded_color_space": "ycbcr", "subsampling": _SUBSAMPLING}
    return {"name": NAME, "configuration": cast("JSON", configuration)}


def _image_shape(chunk_shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(chunk_shape) == 4 and chunk_shape[0] != 1:
        raise ValueError(f"jpeg codec: a chunk {chunk_shape} holds more than one image")
    height, width, channels = chunk_shape[-3:]
    return height, width, channels
