"""What must hold of the modelled spool, at every moment and at the end."""

from collector.spool import letters
from tests.spool.deadly import SMALL
from tests.spool.far_ends import WINDOW
from tests.spool.world import SINKS, World


async def check(world: World) -> None:
    """Books balance, what is pending is there, and memory is bounded."""
    tail, database = world.spool.tail, world.spool.database
    state = tail.state
    rows = {id: count for id, count, _ in await database.sizes(0, 1_000_000)}
    rows |= {segment.id: segment.count for segment in tail.segments.values()}
    if tail.filling is not None and (taken := tail.filling.taken()) is not None:
        rows[taken.id] = taken.count
    for name, sink in state.sinks.items():
        figures = (sink.delivered, sink.pending, sink.dead, *sink.dropped.values())
        assert min(figures) >= 0 and sink.received == sum(figures), f"{name}: {sink}"
        there = sum(sink.wanted(id, count) for id, count in rows.items())
        assert sink.pending == there, f"{name} waits for {sink.pending}, of which there are {there}"
    assert tail.bytes == sum(len(segment.body) for segment in tail.segments.values())
    assert tail.bytes <= SMALL["spool.FULL_BYTES"] + 20_000 + WINDOW * 2_000  # type: ignore[operator]
    assert world.spool.journal.size <= 300_000


async def drain(world: World) -> None:
    """All trouble ends, every sink comes back and catches up: each reading is where its promise says, once."""
    await world.open_with(SINKS)
    world.clock.synchronised = True
    for _ in range(200):
        world.clock.now += 7
        await world.spool.tend()
        world.spool.flush()
        moved = [await world.deliver(name, "settle") for name in SINKS]
        for broker in world.brokers.values():
            broker.take_acknowledgements()
        if not any(moved) and not await letters.requeue(world.spool, lambda letter: True):
            break
    assert not any(broker.in_flight for broker in world.brokers.values()), "everything is acknowledged"
    await world.spool.commit()
    for _ in range(300):
        world.clock.now += 7
        await world.spool.tend()
    await check(world)
    for name in SINKS:
        _account(world, name)
    assert await world.spool.database.sizes(0, 10) == [], "rows go when every sink is done with them"
    assert await world.spool.database.last_letter() == 0


def _account(world: World, name: str) -> None:
    books, receiver = world.spool.tail.state.sinks[name], world.receivers[name]
    wanted = world.wanted[name]
    lost = sum(books.dropped.values())
    missing = (wanted & world.promised) - world.refused - world.unsure - receiver.numbers
    assert (books.pending, books.dead) == (0, 0)
    assert len(missing) <= lost, f"{name} never got {sorted(missing)}, and only {lost} are dropped"
    assert receiver.numbers <= wanted | world.unsure | world.may_double
    if world.exact:
        assert len(wanted - world.unsure) <= books.received <= len(wanted | world.unsure)
        assert len(wanted - world.unsure - receiver.numbers) <= lost
