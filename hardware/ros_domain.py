"""The ROS domain of this process: processes hear each other when theirs is the same."""

from __future__ import annotations

import os
import re

from il_robot.errors import BadInput

LAST_DOMAIN = 232
"""DDS counts its ports from the number: beyond this one there are none."""
LAST_SAFE_DOMAIN = 101
"""From 102 to 214 the ports are those that Linux hands to any program that asks."""


def ros_domain() -> int:
    """What ``ROS_DOMAIN_ID`` says, 0 where it says nothing. Raises BadInput when no process can be in such a domain."""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not re.fullmatch("[0-9]{1,9}", domain) or int(domain) > LAST_DOMAIN:
        allowed = f"a whole number from 0 to {LAST_SAFE_DOMAIN}, to {LAST_DOMAIN} where the ports are free"
        raise BadInput(f"ROS_DOMAIN_ID={domain:.20}; allowed: {allowed}")
    return int(domain)
