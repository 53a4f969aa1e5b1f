"""The emulator's packets against the SDK's: two independent readings of Protocol 2.0."""

from __future__ import annotations

from dynamixel_sdk import Protocol2PacketHandler
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hardware import control_table as table
from hardware import packet
from hardware.packet import Packet

SDK = Protocol2PacketHandler()
DATA = st.lists(st.sampled_from([0, 1, 0xFD, 0xFE, 0xFF]), max_size=40).map(bytes)


@given(data=st.binary(max_size=64))
def test_checksum_is_the_sdks(data: bytes) -> None:
    assert int.from_bytes(packet.crc16(data), "little") == SDK.updateCRC(0, list(data), len(data))


@example(data=b"\xff\xff\xfd\xff\xfd\xfd", noise=b"")
@given(data=DATA, noise=st.binary(max_size=5))
def test_a_packet_survives_the_wire(data: bytes, noise: bytes) -> None:
    sent = Packet(7, packet.Instruction.WRITE, data)
    buffer = bytearray(noise.replace(b"\xff", b"") + packet.build(sent))
    assert packet.take(buffer) == sent
    assert not buffer


@given(data=DATA)
def test_the_sdk_unstuffs_what_we_stuff(data: bytes) -> None:
    # The SDK unstuffs in place and then looks at bytes it has moved: after a first FF FF FD it takes FF FD FD for one.
    _, first, after = data.partition(b"\xff\xff\xfd")
    assume(not first or b"\xff\xfd" not in after)
    wire = list(packet.status(3, 0, data))
    SDK.removeStuffing(wire)
    assert bytes(wire[9 : 9 + len(data)]) == data


def test_a_damaged_packet_is_skipped_and_the_next_one_taken() -> None:
    good = packet.build(Packet(1, packet.Instruction.PING, b""))
    buffer = bytearray(good[:-1] + b"\x00" + good + good[:6])
    assert packet.take(buffer) == Packet(1, packet.Instruction.PING, b"")
    assert packet.take(buffer) is None
    assert bytes(buffer) == good[:6]


@given(register=st.sampled_from(list(table.REGISTERS.values())), data=st.data())
def test_registers_keep_their_sign(register: table.Register, data: st.DataObject) -> None:
    span = 256**register.size
    low, high = (-span // 2, span // 2 - 1) if register.signed else (0, span - 1)
    value = data.draw(st.integers(low, high))
    assert table.decode(register, table.encode(register, value)) == value


def test_registers_do_not_overlap() -> None:
    taken = [a for r in table.REGISTERS.values() for a in range(r.address, r.address + r.size)]
    assert len(taken) == len(set(taken))
