"""Every event the daemon logs. Codes and MESSAGE_IDs never change: alerts are built on them, not on prose."""

import logging
from dataclasses import dataclass

LOGGER = "edge_collector"

_logger = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class Event:
    code: str
    level: int
    message_id: str
    """128 random bits, as sd_id128(3) wants them; `journalctl MESSAGE_ID=...` finds the event."""
    meaning: str
    """For the table in the README."""
    burst: int = 10
    """Lines about one source or sink that may come at once; see `rate`."""

    def log(self, message: str, *arguments: object, exc_info: bool = False, **labels: str | int) -> None:
        """One line. Lines of one event about one `source` or `sink` share a rate limit."""
        extra = {"event": self, "labels": labels}
        _logger.log(self.level, message, *arguments, exc_info=exc_info, extra=extra, stacklevel=2)


DAEMON_STARTED = Event(
    "daemon.started",
    logging.INFO,
    "975c36dc00664940af99e92d4eaf24dc",
    "the collector works",
)
DAEMON_STOPPING = Event(
    "daemon.stopping",
    logging.INFO,
    "a242efb2152c4358b6f637e323d4e04d",
    "it was told to stop, and commits what is pending",
)
DAEMON_RELOADING = Event(
    "daemon.reloading",
    logging.INFO,
    "0840caca9753441a814824f04270a3be",
    "it was told to reload and the configuration is right: it commits and ends with exit code 75",
)
DAEMON_NOT_RELOADED = Event(
    "daemon.not_reloaded",
    logging.ERROR,
    "cea9988dc99e4806bd5f97f4488a496b",
    "it was told to reload and the configuration is wrong: nothing changes",
)
DAEMON_FAILED = Event(
    "daemon.failed",
    logging.CRITICAL,
    "0ce930f5a5fe473783ef6cc04d48eedc",
    "it cannot go on and ends with exit code 1",
)
CONFIG_WARNING = Event(
    "config.warning",
    logging.WARNING,
    "42266e42b85b433fb313062c0d26eeca",
    "the configuration works, but hardly as meant",
    burst=1000,
)
UNIT_WEAKENED = Event(
    "unit.weakened",
    logging.WARNING,
    "79102c0024a04c328c1cd4f70cbdf6c2",
    "an override of the systemd unit takes away walls; the collector's own sandbox stands",
)
SANDBOX_INCOMPLETE = Event(
    "sandbox.incomplete",
    logging.WARNING,
    "23605e70023949c5879e3c2871c84ecd",
    "the kernel or a library lacks what a wall of the sandbox stands on; collecting goes on",
)
STATUS_UNAVAILABLE = Event(
    "status.unavailable",
    logging.WARNING,
    "90558e97062345f383d6ff16e55c5bc2",
    "`status.listen` cannot be listened on; collecting goes on",
)
CONTROL_UNAVAILABLE = Event(
    "control.unavailable",
    logging.WARNING,
    "202ef72c0bf64ab4b0ccaa1c6ce46b46",
    "`spool` commands cannot reach the daemon; collecting goes on",
)
SOURCE_CONNECTED = Event(
    "source.connected",
    logging.INFO,
    "f07ed84c8dfa45138ea42e7264c8f689",
    "a source is open, or subscribed",
)
SOURCE_LOST = Event(
    "source.lost",
    logging.WARNING,
    "2e539e69bcf44b1aacabaf2d2b32fcf7",
    "a source cannot be opened or was lost; tried again by itself",
)
DEVICE_SILENT = Event(
    "device.silent",
    logging.WARNING,
    "de292c2a13a84a17a23af9dac3c10e9c",
    "one device does not answer, or sends nothing that its profile knows; the others go on",
    burst=300,
)
DEVICE_ANSWERS = Event(
    "device.answers",
    logging.INFO,
    "f8f684e260b941a6aa12057c14159971",
    "a device that was silent gives readings again",
    burst=300,
)
FRAME_REFUSED = Event(
    "frame.refused",
    logging.WARNING,
    "fd325abe006f451fb847c30fc21037e2",
    "frames are not what the profile says; counted, one line a minute",
)
RECORDING_ENDED = Event(
    "source.not_recorded",
    logging.WARNING,
    "995a4cf8a479427aa283d707e19279fa",
    "what a source brings is not recorded, or no longer, although `run --record` asked for it",
)
SINK_CONNECTED = Event(
    "sink.connected",
    logging.INFO,
    "b9eb320ab4fa46b19722937932c3872e",
    "a sink takes readings",
)
SINK_BACKOFF = Event(
    "sink.backoff",
    logging.WARNING,
    "669b14abb60e44c0851ce1d8fa2242c9",
    "a sink cannot be reached; its readings wait",
)
SINK_HELD = Event(
    "sink.held",
    logging.ERROR,
    "ef8fc06375d64a0bb9ddda60acdf024d",
    "a sink does not let us in; its readings wait until somebody sees to it",
)
SINK_DEPARTED = Event(
    "sink.departed",
    logging.WARNING,
    "b30bb96b838148d09d58b3d8d59a64e2",
    "a sink is not configured any more, and readings wait for it still",
)
SINK_FORGOTTEN = Event(
    "sink.forgotten",
    logging.WARNING,
    "58fb0f12b74b45faa38c79faaa773d50",
    "what was kept for a sink that left the configuration was dropped",
)
MQTT_3_1_1 = Event(
    "mqtt.3_1_1",
    logging.WARNING,
    "9c15426afb11451ebba3f3cf3560f039",
    "a broker speaks no MQTT 5, so it cannot say that it refuses a message",
)
READING_DEAD = Event(
    "reading.dead",
    logging.ERROR,
    "3b80e21309b44b128192f524920b4baf",
    "a sink refused readings for good; kept as dead letters",
)
SPOOL_FULL = Event(
    "spool.full",
    logging.WARNING,
    "11026c2fcf784c9e945b9c4c829e5d34",
    "the oldest readings were dropped to make room; with `reject-new`, sources wait",
)
SPOOL_HAS_ROOM = Event(
    "spool.has_room",
    logging.INFO,
    "59934dfcbb4a4e99b5571b1fd174c528",
    "the spool was full, and sources that waited go on",
)
SPOOL_DAMAGED = Event(
    "spool.damaged",
    logging.CRITICAL,
    "842b4cd45e7045b2b0d76e13783f6d1f",
    "the database or a part of it cannot be read; what is lost is counted",
)
SPOOL_VERIFYING = Event(
    "spool.verifying",
    logging.WARNING,
    "9bf9494839c14068a4f86c22a2032629",
    "the last run ended on an error of the disk, so every page is read before work begins",
)
SPOOL_SALVAGED = Event(
    "spool.salvaged",
    logging.WARNING,
    "e28d39d5c6084302b2ba4e55046d3983",
    "what was readable of a damaged database is in a new one; the old one is in `quarantine/`",
)
DISK_UNAVAILABLE = Event(
    "disk.unavailable",
    logging.ERROR,
    "57b8870cbbe64c4ab784b9f54cc98e24",
    "the disk is full, read-only or locked; nothing is lost while memory lasts, and it is tried again",
)
DISK_WITHOUT_RESERVE = Event(
    "disk.without_reserve",
    logging.WARNING,
    "ed049f47421849cb9b6c1e448e5bfb71",
    "no room is kept on the disk: once it is full, what is delivered cannot be deleted from it",
)
DISK_AVAILABLE = Event(
    "disk.available",
    logging.INFO,
    "1c1b4e03fadd408e9fce7e8a6f4a27ee",
    "the disk takes readings again",
)
SPOOL_TAKEN_OVER = Event(
    "spool.taken_over",
    logging.INFO,
    "e6494963081e44b4a29cbe5b36068bdf",
    "readings that the last run had in memory go on their way",
)
JOURNAL_DEGRADED = Event(
    "journal.degraded",
    logging.WARNING,
    "eb1302e683c741f098080b3b04fae8d0",
    "the tail journal costs flash writes, or takes no records",
)
JOURNAL_DAMAGED = Event(
    "journal.damaged",
    logging.WARNING,
    "6762c58fd4a64e668b8a8dd373764bbb",
    "a tail journal cannot be read, or not to its end; what can is taken",
)
JOURNAL_RESTORED = Event(
    "journal.restored",
    logging.INFO,
    "eb4eff62e474464299d20df9b173eeef",
    "the tail journal takes records again",
)
CLOCK_WAITING = Event(
    "clock.waiting",
    logging.WARNING,
    "6edbfd59c8ab4af9ae324448336abdfc",
    "the clock is not synchronised after a boot; delivery waits for it",
)
CLOCK_SYNCHRONISED = Event(
    "clock.synchronised",
    logging.INFO,
    "23253fea001b480fb32744eb99b17b23",
    "the clock is synchronised; readings taken before are re-dated",
)
INTERNAL_ERROR = Event(
    "internal.error",
    logging.ERROR,
    "6f6ac02917db4b5798706a49fe35f699",
    "a fault of our own, with its traceback; please report it",
)
LOG_DROPPED = Event(
    "log.dropped",
    logging.WARNING,
    "701570a4f88941f0b4508bf443686f08",
    "log lines were lost while nobody read them",
)

EVENTS = [entry for entry in list(globals().values()) if isinstance(entry, Event)]
"""In the order of the table in the README."""
