"""A servo bus without servos, in a process of its own: a chain of emulated servos behind a pseudo-terminal.

The unmodified dynamixel-sdk opens the pseudo-terminal like any adapter. The process answers at the pace of the
wire (10 bits a byte) and takes commands as JSON lines on its standard input: faults to inject, and the hand that
moves a free arm. It ends when its standard input closes, so no emulator outlives its user.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import termios
import threading
import time
import tty
from pathlib import Path
from typing import Any

from hardware import control_table as table
from hardware import packet
from hardware.closing import Closing
from hardware.control_table import HardwareError
from hardware.emulated_chain import EmulatedChain, build_servos
from hardware.emulated_servo import EmulatedServo
from il_robot.control.precedence import HARDWARE_PRIORITY, take_precedence
from il_robot.errors import BadInput, Fault

UNASKED_S = 0.05
"""Shafts move on when somebody asks; between questions this often, for what heats up or runs into something."""
SPEEDS = {code: getattr(termios, f"B{baud}") for baud, code in table.BAUD_CODES.items()}


class EmulatedBus(Closing):
    """Starts and commands the emulator's process. Use as a context; the serial port appears at ``link``."""

    def __init__(
        self, servos: list[dict[str, Any]], link: Path, baud: int = 1_000_000, fast_stuffing: bool = False
    ) -> None:
        """``servos`` as :func:`hardware.emulated_chain.build_servos` takes them. Raises Fault."""
        self.port = str(link)
        self.name = link.name
        self._saying = threading.Lock()  # hands move leaders in a thread of their own
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hardware.emulated_bus"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,  # a Ctrl-C is for its user: on a robot, too, the servos stay
        )
        self._say({"servos": servos, "link": self.port, "baud": baud, "fast_stuffing": fast_stuffing})

    @property
    def pid(self) -> int:
        return self._process.pid

    def do(self, command: str, **arguments: object) -> dict[int, dict[str, int]]:
        """One command; the state of every servo after it, by id: registers by name and ``eeprom_writes``.

        ============================ ===============================================================
        ``state``                    nothing
        ``mute`` ids / ``unmute``    these servos stop answering / all answer
        ``corrupt`` count            the next answers carry a wrong checksum
        ``delay`` seconds            answers come this late
        ``noise`` hex                these bytes come before each answer
        ``fast_read`` on             whether the firmware knows the fast sync read
        ``show`` ids registers       present values are forced
        ``fail`` ids error           a hardware error strikes
        ``power_cycle`` ids turns    all off and on; these wake up whole turns away
        ``place`` ticks              the hand puts shafts there: {id: ticks}
        ``load`` loads               a weight pulls at shafts, {id: current units that hold it}; 0: none
        ``block`` ids lower upper    shafts cannot leave this range [ticks]
        ``unplug`` / ``plug``        the adapter is pulled out / back in; servos keep their power
        ============================ ===============================================================
        """
        state = self._say({"do": command, **arguments})
        return {servo["ID"]: servo for servo in state["servos"]}

    def close(self) -> None:
        """Ends the process. May be called twice."""
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait(timeout=10)
            if self._process.stdout:
                self._process.stdout.close()

    def _say(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        answer = ""
        with self._saying, contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            with contextlib.suppress(subprocess.TimeoutExpired):  # its pipe closes a moment before it is gone
                self._process.wait(timeout=1)
            raise Fault(self.lost or f"the emulated bus {self.name} does not answer any more")
        return dict(json.loads(answer))

    @property
    def lost(self) -> str | None:
        """Why its process has ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        why = f"it was killed (signal {-code})" if code < 0 else f"exit code {code}, see its error output"
        return f"the emulated bus {self.name} ended: {why}; its arm does not answer any more"


class _Process:
    """The loop of the emulator's process: one pseudo-terminal, one command pipe."""

    def __init__(self, bus: EmulatedChain, link: Path) -> None:
        self.bus, self.link = bus, link
        self._buffer = bytearray()
        self._stepped_s = time.monotonic()
        self._plug()

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._slave))
        self._plugged = True

    def run(self) -> None:
        commands = bytearray()
        print(json.dumps({"port": os.ttyname(self._slave)}), flush=True)
        while True:
            ports = [self._master] if self._plugged else []
            ready, _, _ = select.select([*ports, 0], [], [], UNASKED_S)
            self._advance()
            if self._master in ready:
                self._serve()
            if 0 in ready:
                received = os.read(0, 65536)
                if not received:
                    break
                commands += received
                while (end := commands.find(b"\n")) >= 0:
                    print(json.dumps(self.obey(json.loads(commands[:end]))), flush=True)
                    del commands[: end + 1]
        self.link.unlink(missing_ok=True)

    def _speeds(self) -> set[int]:
        """The terminal speeds that its servos are set to."""
        return {SPEEDS[servo.get(table.BAUD_RATE)] for servo in self.bus.servos}

    def _advance(self) -> None:
        now_s = time.monotonic()
        self.bus.step(now_s - self._stepped_s)
        self._stepped_s = now_s

    def _serve(self) -> None:
        received = os.read(self._master, 65536)
        if termios.tcgetattr(self._slave)[5] not in self._speeds():
            return  # at another baud rate servos hear only noise
        due_s = time.monotonic() + len(received) * self.bus.byte_s
        self._buffer += received
        while (asked := packet.take(self._buffer)) is not None:
            wire = self.bus.answer(asked)
            due_s += len(wire) * self.bus.byte_s + self.bus.late_s
            if not wire:
                continue
            time.sleep(max(0.0, due_s - time.monotonic()))
            with contextlib.suppress(BlockingIOError):  # nobody listens: as on a real wire, the answer is lost
                os.write(self._master, wire)

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command from the user of the emulator; the answer goes back as one line."""
        bus = self.bus
        chosen = [s for s in bus.servos if s.id in command.get("ids", [])]
        match command["do"]:
            case "mute":
                bus.muted |= {s.id for s in chosen}
            case "unmute":
                bus.muted.clear()
            case "corrupt":
                bus.corrupt = command["count"]
            case "delay":
                bus.late_s = command["seconds"]
            case "noise":
                bus.noise = bytes.fromhex(command["hex"])
            case "fast_read":
                bus.fast_read = command["on"]
            case "show":
                bus.shown = {s.id: command["registers"] for s in chosen}
            case "fail":
                for servo in chosen:
                    servo.fail(HardwareError(command["error"]))
            case "power_cycle":
                for servo in bus.servos:
                    servo.power_on(command["turns"] if servo in chosen else 0)
            case "place":
                for servo in bus.servos:
                    if str(servo.id) in command["ticks"]:
                        servo.place(command["ticks"][str(servo.id)])
            case "load":
                for servo in bus.servos:
                    if str(servo.id) in command["loads"]:
                        servo.hang(command["loads"][str(servo.id)])
            case "block":
                for servo in chosen:
                    servo.shaft.stops = (command["lower"], command["upper"])
            case "unplug" if self._plugged:
                self.link.unlink(missing_ok=True)
                os.close(self._master)
                os.close(self._slave)
                self._plugged = False
            case "plug" if not self._plugged:
                self._plug()
            case "state" | "plug" | "unplug":
                pass
            case unknown:
                raise BadInput(f"emulated bus: no command {unknown!r}")
        bus.step(0.0)
        return {"servos": [_state(s) for s in bus.servos]}


def _state(servo: EmulatedServo) -> dict[str, int]:
    values = {name: servo.get(register) for name, register in table.REGISTERS.items()}
    return {**values, "eeprom_writes": servo.eeprom_writes}


def main() -> None:
    """Reads its set-up as the first line of standard input, then serves until that closes."""
    take_precedence(HARDWARE_PRIORITY)
    with open(0, "rb", buffering=0, closefd=False) as commands:
        setup = json.loads(commands.readline())
    bus = EmulatedChain(build_servos(setup["servos"]), setup["baud"], setup["fast_stuffing"])
    _Process(bus, Path(setup["link"])).run()


if __name__ == "__main__":
    main()
