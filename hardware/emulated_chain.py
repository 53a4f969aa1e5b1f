"""A chain of emulated servos on one wire: instruction packets in, status packets out, faults on command."""

from __future__ import annotations

from typing import Any

from hardware import control_table as table
from hardware import packet
from hardware.emulated_servo import EmulatedServo
from hardware.emulated_shaft import Shaft
from hardware.packet import Instruction, Packet
from il_robot.errors import BadInput, nearest


class EmulatedChain:
    """The servos of one chain and the wire between them; knows packets, not files."""

    def __init__(self, servos: list[EmulatedServo], baud: int = 1_000_000, fast_stuffing: bool = False) -> None:
        """``fast_stuffing``: whether the firmware stuffs its answers to a fast sync read (undocumented)."""
        self.servos = servos
        self.byte_s = 10 / baud
        self.fast_read = True
        self.muted: set[int] = set()
        self.corrupt = 0
        self.noise = b""
        self.late_s = 0.0
        self.shown: dict[int, dict[str, int]] = {}
        self._fast_stuffing = fast_stuffing
        self._shafts = [
            (s, [v for v in servos if v.shaft is s]) for s in {id(v.shaft): v.shaft for v in servos}.values()
        ]

    def step(self, dt_s: float) -> None:
        """Moves every shaft on by ``dt_s``."""
        for shaft, servos in self._shafts:
            shaft.step(servos, dt_s)
        for servo in self.servos:
            for name, value in self.shown.get(servo.id, {}).items():
                servo.set(table.REGISTERS[name], value)

    def answer(self, asked: Packet) -> bytes:
        """All bytes that come back for one instruction, faults included."""
        wire = self._answer(asked)
        if wire and self.corrupt > 0:
            self.corrupt -= 1
            wire = wire[:-1] + bytes([wire[-1] ^ 0xFF])
        return self.noise + wire if wire else wire

    def _answer(self, asked: Packet) -> bytes:
        if asked.instruction in (Instruction.SYNC_READ, Instruction.FAST_SYNC_READ):
            return self._sync_read(asked)
        if asked.instruction == Instruction.SYNC_WRITE:
            self._sync_write(asked.data)
            return b""
        replies = []
        for servo in self.servos:
            if asked.id not in (*servo.ids, packet.BROADCAST) or servo.id in self.muted:
                continue
            error, data = self._single(servo, asked)
            if asked.id == servo.id or (asked.id == packet.BROADCAST and asked.instruction == Instruction.PING):
                replies.append(packet.status(servo.id, error, data))
        return b"".join(replies) if asked.id == packet.BROADCAST else _collide(replies)

    def _single(self, servo: EmulatedServo, asked: Packet) -> tuple[int, bytes]:
        if asked.instruction == Instruction.PING:
            return servo.read(0, 2)[0], servo.read(0, 2)[1] + servo.read(table.FIRMWARE_VERSION.address, 1)[1]
        if asked.instruction == Instruction.READ:
            if servo.id != asked.id:
                return 0, b""
            return servo.read(int.from_bytes(asked.data[:2], "little"), int.from_bytes(asked.data[2:4], "little"))
        if asked.instruction == Instruction.WRITE:
            return servo.write(int.from_bytes(asked.data[:2], "little"), asked.data[2:]), b""
        if asked.instruction == Instruction.REBOOT:
            servo.power_on()
            return 0, b""
        return packet.Error.INSTRUCTION, b""

    def _sync_read(self, asked: Packet) -> bytes:
        """The chain answers in turn; behind a missing servo everyone keeps waiting."""
        fast = asked.instruction == Instruction.FAST_SYNC_READ
        if fast and not self.fast_read:
            return b""
        address, size = int.from_bytes(asked.data[:2], "little"), int.from_bytes(asked.data[2:4], "little")
        plain, parts = b"", []
        for servo_id in asked.data[4:]:
            present = [s for s in self.servos if s.id == servo_id and servo_id not in self.muted]
            if not present:
                break
            reads = [servo.read(address, size) for servo in present]
            plain += _collide([packet.status(servo_id, *read) for read in reads])
            parts.append((servo_id, reads[0][0], bytes(a & b for a, b in zip(reads[0][1], reads[-1][1], strict=True))))
        if not fast:
            return plain
        return packet.fast_status(parts, len(asked.data) - 4, self._fast_stuffing) if parts else b""

    def _sync_write(self, data: bytes) -> None:
        address, size = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
        listening = [(servo, servo.ids) for servo in self.servos if servo.id not in self.muted]
        for at in range(4, len(data), size + 1):
            for servo, ids in listening:
                if data[at] in ids:
                    servo.write(address, data[at + 1 : at + 1 + size])


def _collide(replies: list[bytes]) -> bytes:
    """Several servos talking at once pull the line down together: what arrives is the bitwise and."""
    if not replies:
        return b""
    wire = bytearray(replies[0])
    for other in replies[1:]:
        for i in range(min(len(wire), len(other))):
            wire[i] &= other[i]
    return bytes(wire)


def build_servos(chain: list[dict[str, Any]]) -> list[EmulatedServo]:
    """Servos from plain data: id, model, and optionally ``on`` (the id whose shaft it shares, facing it),
    ``ticks`` (where it stands) and ``registers`` (control table values by name)."""
    servos: dict[int, EmulatedServo] = {}
    built = []
    for entry in chain:
        if entry["model"] not in table.MODELS:
            raise BadInput(f"emulated servo {entry['id']}: no model; {nearest(entry['model'], table.MODELS)}")
        main = servos.get(entry.get("on", -1))
        shaft = main.shaft if main else Shaft()
        servo = EmulatedServo(entry["id"], table.MODELS[entry["model"]], shaft, mount=-1 if main else 1)
        for name, value in entry.get("registers", {}).items():
            servo.set(table.REGISTERS[name], value)
        if "ticks" in entry:
            servo.place(entry["ticks"])
        servo.power_on()
        servos[servo.id] = servo
        built.append(servo)
    return built
