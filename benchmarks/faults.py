"""Within how long: provokes the faults of docs/safety.md and times the rig's answer, fault by fault.

    python benchmarks/faults.py [--rounds 5] [--parts control devices runs]

control: the real control process, everything around it played over DDS. devices: the drivers on emulated servos and a
serial pedal behind pseudo-terminals. runs: whole runs of `il-robot launch` on an emulated lab, whose processes are
killed. Ends with 1 when an answer came later than promised.
"""

from __future__ import annotations

import argparse
import os

import fault_times

ENVIRONMENT = {"ROS_DOMAIN_ID": "74", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=["control", "devices", "runs"])
    given = parser.parse_args()
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    import faults_control
    import faults_devices
    import faults_runs

    parts = {"control": faults_control.measure, "devices": faults_devices.measure, "runs": faults_runs.measure}
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; seconds\n{fault_times.HEAD}")
    late = False
    for part in given.parts:
        for times in parts[part](given.rounds):
            print(times.line, flush=True)
            late |= max(times.seconds) > times.promised_s
    print(f"load after: {os.getloadavg()[0]:.2f}")
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
