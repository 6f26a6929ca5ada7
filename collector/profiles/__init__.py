"""Firmware profiles: how the bytes of a device become readings. Pure: no socket, no loop, no clock."""

from collector.profiles.framing import Framer
from collector.profiles.library import USER_FOLDER, available, builtin_folder, load
from collector.profiles.profile import Profile, SerialSettings

__all__ = ["USER_FOLDER", "Framer", "Profile", "SerialSettings", "available", "builtin_folder", "load"]
