"""What the container is made of: the same as the Debian package, under the same list of system calls."""

import json
import re
from pathlib import Path

from collector.sandbox.profile import profile

PACKAGING = Path(__file__).parents[2] / "packaging"


def test_it_installs_what_the_debian_package_depends_on() -> None:
    control = (PACKAGING / "debian/control").read_text().partition("\nPackage:")[2]
    depends = set(re.findall(r"^ (python3-[\w-]+)", control, re.MULTILINE))
    containerfile = (PACKAGING / "container/Containerfile").read_text().rpartition("\nFROM")[2]
    assert set(re.findall(r"^ +(python3-[\w-]+) \\$", containerfile, re.MULTILINE)) == depends


def test_the_seccomp_profile_is_the_sandboxs_own_list() -> None:
    """Renew it with: python -m collector.sandbox.profile > packaging/container/seccomp.json"""
    assert json.loads((PACKAGING / "container/seccomp.json").read_text()) == json.loads(json.dumps(profile()))
