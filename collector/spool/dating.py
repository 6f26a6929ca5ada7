"""Readings taken before the first synchronisation of a boot: delivery waits for it, and then they are re-dated."""

from collector.clock import Clock, Regime
from collector.log import events
from collector.segment import Segment
from collector.spool.boot import Boot
from collector.spool.records import Shown, Synchronised
from collector.spool.tail import Tail


class Dating:
    """Whether a sink may see a segment yet, and with which times: the first sink to see it makes them final."""

    def __init__(self, tail: Tail, clock: Clock, patience: float) -> None:
        """`patience` are the seconds after boot that delivery waits, so that a later start of ours waits no more."""
        self.wait = 0.0
        """Seconds that delivery still waits, at most; 0 when it does not."""
        self.blocked = False
        """A sink asks for times that a commit must hold first."""
        self._tail = tail
        self._clock = clock
        self._patience = patience
        self._unsynchronised: Regime | None = None
        """The last regime of this run that came before the first synchronisation."""
        self._committed_lsn = 0
        # A power cut must not take a correction back that a sink has seen; what the last run committed, nobody knows.
        self._rests_on = tail.state.lsn
        self.look()
        if self.wait:
            events.CLOCK_WAITING.log(
                "the clock is not synchronised: delivery waits for it, at most %.0f s more (spool.clock_wait); "
                "collecting goes on",
                self.wait,
            )

    def look(self) -> None:
        """Takes note of the first synchronisation of this boot; until then counts the wait down."""
        self._clock.look()
        regime, state = self._clock.regime(), self._tail.state
        boot = state.boots.get(regime.boot_id)
        if boot is not None and boot.offset_ns is not None:
            self.wait = 0.0
        elif regime.synchronised:
            self._tail.apply(Synchronised(regime.boot_id, regime.offset_ns, self._tail.last))
            self._rests_on, self.wait = state.lsn, 0.0
            if self._unsynchronised is not None:
                events.CLOCK_SYNCHRONISED.log(
                    "the clock is synchronised (%+.1f s): readings taken before are re-dated at their first delivery",
                    (regime.offset_ns - self._unsynchronised.offset_ns) / 1e9,
                )
        else:
            self._unsynchronised = regime
            self.wait = max(0.0, self._patience - self._clock.since_boot())

    def show(self, segment: Segment) -> Segment | None:
        """The segment as every sink sees it from now on, also after SIGKILL; None until a commit makes that sure."""
        if segment.regime.synchronised:
            return segment
        tail, boot_id = self._tail, segment.regime.boot_id
        if boot_id == self._clock.regime().boot_id and tail.state.boots.get(boot_id, Boot()).open(segment.id):
            # Without a journal a commit must hold the record: then let one serve for the whole backlog.
            through = segment.id if tail.journaled else max(segment.id, tail.committed)
            tail.apply(Shown(boot_id, (segment.id, through + 1)))
            if not tail.journaled:
                self._rests_on = tail.state.lsn
        dated = tail.state.dated(segment)
        if self._rests_on > self._committed_lsn and (dated.correction_ns is not None or not tail.journaled):
            self.blocked = True
            return None
        return dated

    def committed(self, lsn: int) -> None:
        """The database holds the state as of `lsn`: no power cut takes that back."""
        self._committed_lsn, self.blocked = lsn, False
