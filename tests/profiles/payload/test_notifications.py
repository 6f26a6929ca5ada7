"""Status messages that tell only what has changed, laid over what is known of each device, within bounds."""

import json
from typing import Any

from collector.profiles import Profile, builtin_folder, load
from collector.profiles.payload.notifications import MAX_DEVICES

SHELLY = load("shelly-gen2", [builtin_folder()])


def told(profile: Profile, device: str | None, method: str, **status: Any) -> dict[str, Any]:
    message = {"src": device, "method": method, "params": status}
    [reading] = profile.decode(json.dumps(message).encode())
    assert reading.device == device
    return reading.fields


def test_each_device_has_a_status_of_its_own_and_each_source_its_memory() -> None:
    profile = SHELLY.fresh()
    assert told(profile, "a", "NotifyFullStatus", x={"p": 1, "q": 2}) == {"x.p": 1, "x.q": 2}
    assert told(profile, "b", "NotifyStatus", x={"q": 3}) == {"x.q": 3}
    assert told(profile, "a", "NotifyStatus", x={"q": 4}) == {"x.p": 1, "x.q": 4}
    assert told(profile, "a", "NotifyFullStatus", y=1) == {"y": 1}
    assert told(profile.fresh(), "a", "NotifyStatus", x={"q": 5}) == {"x.q": 5}


def test_a_reading_is_not_changed_by_the_next_one() -> None:
    profile = SHELLY.fresh()
    first = told(profile, "a", "NotifyFullStatus", p=1)
    told(profile, "a", "NotifyStatus", p=2)
    assert first == {"p": 1}


def test_nobody_s_status_is_not_remembered() -> None:
    profile = SHELLY.fresh()
    told(profile, None, "NotifyFullStatus", p=1)
    assert told(profile, None, "NotifyStatus", q=1) == {"q": 1}


def test_what_is_remembered_is_bounded() -> None:
    profile = SHELLY.fresh()
    for number in range(MAX_DEVICES + 1):
        told(profile, f"d{number}", "NotifyFullStatus", p=number)
    assert told(profile, "d0", "NotifyStatus", q=1) == {"q": 1}
    assert told(profile, f"d{MAX_DEVICES}", "NotifyStatus", q=1) == {"p": MAX_DEVICES, "q": 1}
