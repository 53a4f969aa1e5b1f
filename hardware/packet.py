"""Dynamixel Protocol 2.0 packets, as a servo sees them: for the emulated bus only.

Written from the protocol's description, not from the SDK, so that the two check each other.
https://emanual.robotis.com/docs/en/dxl/protocol2/
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

HEADER = b"\xff\xff\xfd\x00"
BROADCAST = 0xFE


class Instruction(IntEnum):
    """The second byte after the length."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REBOOT = 0x08
    STATUS = 0x55
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83
    FAST_SYNC_READ = 0x8A


class Error(IntEnum):
    """Why a servo refused."""

    NONE = 0
    RESULT_FAIL = 1
    INSTRUCTION = 2
    CRC = 3
    DATA_RANGE = 4
    DATA_LENGTH = 5
    DATA_LIMIT = 6
    ACCESS = 7


@dataclass(frozen=True)
class Packet:
    """One packet without header, stuffing and checksum."""

    id: int
    instruction: int
    data: bytes


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x8005 if crc & 0x8000 else crc << 1
        table.append(crc & 0xFFFF)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes, before: bytes = b"\0\0") -> bytes:
    """CRC-16 with polynomial 0x8005 from 0 (CRC-16/UMTS), little endian; ``before``: of the bytes that came before."""
    crc = int.from_bytes(before, "little")
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC[crc >> 8 ^ byte]
    return crc.to_bytes(2, "little")


def stuff(data: bytes) -> bytes:
    """Breaks every header look-alike: FF FF FD becomes FF FF FD FD."""
    return data.replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")


def unstuff(data: bytes) -> bytes:
    """The inverse of :func:`stuff`."""
    return data.replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")


def build(packet: Packet) -> bytes:
    """The bytes on the wire."""
    body = stuff(bytes([packet.instruction]) + packet.data)
    head = HEADER + bytes([packet.id]) + (len(body) + 2).to_bytes(2, "little") + body
    return head + crc16(head)


def status(servo_id: int, error: int, data: bytes = b"") -> bytes:
    """A servo's answer."""
    return build(Packet(servo_id, Instruction.STATUS, bytes([error]) + data))


def fast_status(parts: list[tuple[int, int, bytes]], expected: int, stuffed: bool) -> bytes:
    """The one packet in which several servos answer a fast sync read: (id, error, data) in turn.

    Each appends its share and the checksum of all before it. ``expected`` servos were asked: the first one states
    the length for all, so a missing one leaves the packet short.
    """
    size = sum(len(data) + 4 for _, _, data in parts) // max(len(parts), 1) * expected
    wire = HEADER + bytes([BROADCAST]) + (size + 1).to_bytes(2, "little") + bytes([Instruction.STATUS])
    crc = crc16(wire)
    for servo_id, error, data in parts:
        share = bytes([error, servo_id]) + data
        crc_here = crc16(share, crc)
        wire += share + crc_here
        crc = crc16(crc_here, crc_here)
    if not stuffed or len(parts) < expected:
        return wire
    body = stuff(wire[7:-2])
    head = wire[:5] + (len(body) + 2).to_bytes(2, "little") + body
    return head + crc16(head)


def take(buffer: bytearray) -> Packet | None:
    """Removes the next whole, intact packet from ``buffer``; None when there is none yet. Skips what is not one."""
    while True:
        start = buffer.find(HEADER[:3])
        if start < 0:
            del buffer[: max(0, len(buffer) - 2)]
            return None
        del buffer[:start]
        if len(buffer) < 7:
            return None
        end = 7 + int.from_bytes(buffer[5:7], "little")
        if len(buffer) < end:
            return None
        whole = bytes(buffer[:end])
        if crc16(whole[:-2]) != whole[-2:]:
            del buffer[:3]
            continue
        del buffer[:end]
        return Packet(whole[4], whole[7], unstuff(whole[8:-2]))
