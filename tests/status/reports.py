"""Reports as the wiring would fill them."""

from collector.status.report import (
    Check,
    ClockReport,
    FlashReport,
    Histogram,
    Latest,
    Ledger,
    Report,
    SinkReport,
    SourceReport,
    SpoolReport,
)


def busy_report() -> Report:
    """A collector with two sources and two sinks, one of each in trouble."""
    return Report(
        collector="greenhouse-01",
        version="0.1.0",
        epoch="5f2c9a1e03b7d846",
        started="2026-11-23T15:04:05Z",
        uptime_seconds=93784.5,
        clock=ClockReport(synchronised=True, steps=1),
        spool=SpoolReport(
            pending_readings=42,
            bytes=3 * 1024 * 1024,
            limit_bytes=256 * 1024 * 1024,
            oldest_age_seconds=75.0,
            commits=9,
            commit_seconds=Histogram({0.01: 7, 0.1: 9}, 9, 0.25),
            journal="/run/edge-collector",
        ),
        flash=FlashReport(written_bytes=5 * 1024 * 1024, bytes_per_reading=2621.4, bytes_per_day=4.6 * 1024 * 1024),
        sources={
            "air": SourceReport(
                "serial",
                "waiting",
                attempted=True,
                readings=1000,
                invalid={"checksum": 3},
                last_error="/dev/ttyUSB0: no such port; is it plugged in?",
            ),
            "zigbee": SourceReport(
                "mqtt",
                "connected",
                connected=True,
                attempted=True,
                messages={0: 5, 1: 995},
                latest=Latest("attic", "2026-11-24T17:07:09.5Z", {"temperature": 3.5}),
            ),
        },
        sinks={
            "cloud": SinkReport(
                "mqtt",
                "connected",
                Ledger(received=1000, delivered=950, pending=40, dropped={"full": 8}, dead=2),
                refused=2,
                connected=True,
                attempts={"settled": 19, "retry": 1},
            ),
            "backup": SinkReport(
                "mqtt",
                "held",
                Ledger(received=1000, delivered=958, pending=42),
                backoff_seconds=2.5,
                last_error="0x87 not authorised",
            ),
        },
        ready=[
            Check("spool", ok=True),
            Check("sandbox", ok=True, detail="enforce, Landlock ABI 7, seccomp 120 syscalls"),
        ],
        alive=[Check("loop", ok=True), Check("disk thread", ok=True)],
    )


def well_report() -> Report:
    report = busy_report()
    del report.sources["air"], report.sinks["backup"]
    report.sinks["cloud"].ledger = Ledger(received=10, delivered=10)
    return report
