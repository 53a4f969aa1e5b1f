"""What goes over the wire without the SDK is what the SDK would have sent and understood."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from dynamixel_sdk import PacketHandler
from hypothesis import given
from hypothesis import strategies as st

from hardware import control_table as table
from hardware import packet
from hardware.bus import Bus
from hardware.emulated_bus import EmulatedBus
from hardware.packet import Instruction, Packet
from hardware.wait_port import WaitPort
from hardware.wire import sync_write_packet

HEADER_LIKE = st.sampled_from([b"\xff\xff\xfd\x00", b"\xff\xff\xfd\xfd", b"\xff\xff\xff\xfd", b"\xfd\xff\xff\xfd"])


class Paper:
    """A port that keeps what the SDK writes."""

    is_using = False

    def clearPort(self) -> None:  # noqa: N802 (the SDK's names)
        pass

    def writePort(self, written: list[int]) -> int:  # noqa: N802
        self.written = bytes(written)
        return len(written)


@given(
    values=st.dictionaries(st.integers(0, 252), st.binary(min_size=4, max_size=4) | HEADER_LIKE, max_size=12),
    address=st.integers(0, 0xFFFF),
)
def test_a_sync_write_is_the_sdks_but_for_stuffing(values: dict[int, bytes], address: int) -> None:
    """The SDK (4.0) stuffs a copy of its packet and sends the one without, which servos take for the next header."""
    parameters = b"".join(bytes((servo_id,)) + data for servo_id, data in values.items())
    paper = Paper()
    PacketHandler(2.0).syncWriteTxOnly(paper, address, 4, list(parameters), len(parameters))
    written = sync_write_packet(address, 4, parameters)
    data = address.to_bytes(2, "little") + b"\x04\x00" + parameters
    assert packet.take(bytearray(written)) == Packet(packet.BROADCAST, Instruction.SYNC_WRITE, data)
    assert (written == paper.written) == (b"\xff\xff\xfd" not in data)


def test_only_what_disturbs_a_read_costs_the_sdks_time(tmp_path: Path) -> None:
    """The read of a control loop is taken apart without the SDK; noise, stuffing and old answers are left to it."""
    chain = [{"id": i, "model": "XL430-W250", "ticks": 1000 + i} for i in (1, 2)]
    with EmulatedBus(chain, tmp_path / "arm", fast_stuffing=True) as emulated:
        bus, sdks = Bus(emulated.port, reply_s=0.1), []
        unwatched = PacketHandler(2.0).__class__.rxPacket
        bus._wire._sdk.rxPacket = lambda *a: sdks.append(1) or unwatched(bus._wire._sdk, *a)

        def asked_sdk() -> int:
            sdks.clear()
            found = bus.sync_read([1, 2], table.PRESENT_CURRENT, table.PRESENT_POSITION)
            assert found is not None
            assert [table.decode(table.PRESENT_POSITION, data[-4:]) for data in found.values()] == [1001, 1002]
            return len(sdks)

        assert [asked_sdk() for _ in range(4)] == [0, 0, 0, 0]
        emulated.do("noise", hex="ffff00fd")
        assert asked_sdk() == 1
        emulated.do("noise", hex="")
        emulated.do(
            "show", ids=[1], registers={"Present_Current": -1, "Present_Velocity": -3, "Present_Position": 1001}
        )
        assert asked_sdk() == 1
        emulated.do("show", ids=[1], registers={})
        assert asked_sdk() == 0
        assert bus.health.retried == 0
        bus.close()


@pytest.fixture
def ends() -> Iterator[tuple[int, WaitPort]]:
    """The far end of a line, and the port at this one."""
    far, near = os.openpty()
    tty.setraw(near)
    port = WaitPort(os.ttyname(near), 10.0)
    port.openPort()
    yield far, port
    port.closePort()
    os.close(far)
    os.close(near)


def test_what_came_before_a_question_is_not_its_answer(ends: tuple[int, WaitPort]) -> None:
    far, port = ends
    os.write(far, b"twice the same answer")
    port.setPacketTimeout(1)
    assert port.peek(5) == b"twice"
    assert port.writePort(b"question") == 8
    os.write(far, b"answer")
    port.setPacketTimeout(1)
    assert port.readPort(100) == b"answer"


def test_a_line_that_never_falls_silent_keeps_nobody(ends: tuple[int, WaitPort]) -> None:
    """Another device on the wire: whoever stops the arm waits for its thread."""
    far, port = ends
    left = threading.Event()

    def babble() -> None:
        for _ in range(5000):
            if left.wait(0.0005):
                return
            os.write(far, b"\xff")

    babbling = threading.Thread(target=babble)
    babbling.start()
    port.discard(0.1)
    assert babbling.is_alive()
    left.set()
    babbling.join()
