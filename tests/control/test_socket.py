"""The socket and who comes to it: strangers, the slow, the confused; and what is told where it is not there."""

import asyncio
import json
import os
import shutil
import socket
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from collector.config.load import load
from collector.control import client, protocol, server
from collector.control.protocol import Export, Forget, Stats
from collector.errors import CollectorError, SpoolError
from collector.spool import place
from tests.control.conftest import Asking


async def raw(asking: Asking, data: bytes, *, eof: bool = True) -> Any:
    """What a stranger gets for these bytes."""
    reader, writer = await asyncio.open_unix_connection(asking.runtime / "control.sock")
    writer.write(data)
    if eof:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return json.loads(answer) if answer else None


async def test_only_its_user_may_open_it(asking: Asking) -> None:
    await asking.start()
    path = asking.runtime / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await asking.stop()
    assert not path.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\x00\xfe\n",
        b"{}\n",
        b"[" * 60_000 + b"\n",
        b"x" * 3_000_000,
        b'{"spool":"1:1","request":{"verb":"drop"}}\n',
        b'{"spool":"1:1","request":{"verb":"stats","x":1}}\n',
        b'{"spool":"1:1","request":{"verb":"requeue","ids":[1]}}\n',
    ],
)
async def test_garbage_is_answered_with_one_line(asking: Asking, data: bytes) -> None:
    await asking.start()
    try:
        verdict = await raw(asking, data)
    except ConnectionError:
        verdict = None  # it did not wait for the end of too long a line
    assert verdict is None or (verdict["end"] == "failed" and "\n" not in verdict["error"])
    assert (await asking.ask(Stats()))[0].result["running"]


async def test_who_says_nothing_is_not_waited_for(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ASK", 0.05)
    await asking.start()
    assert await raw(asking, b'{"spool"', eof=False) == {"end": "failed", "error": "no question came"}


async def test_one_too_many_is_told_so(asking: Asking) -> None:
    await asking.start()
    path = asking.runtime / "control.sock"
    idle = [await asyncio.open_unix_connection(path) for _ in range(server.CONNECTIONS)]
    with pytest.raises(CollectorError, match="8 others are asking already"):
        await asking.ask(Stats())
    for reader, writer in idle:
        writer.write_eof()
        await reader.read()
        writer.close()
    await asking.ask(Stats())


async def test_a_reader_that_stalls_is_let_go_and_holds_nobody_up(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STALLED", 0.3)
    for start in range(0, 20_000, 500):
        asking.rig.append(range(start, start + 500))
    await asking.start()
    reader, writer = await asyncio.open_unix_connection(asking.runtime / "control.sock", limit=1024)
    identity = protocol.identity((asking.rig.directory / "lock").stat())
    writer.write(json.dumps({"spool": identity, "request": {"verb": "export"}}).encode() + b"\n")
    await asyncio.sleep(0.1)
    await asking.ask(Stats())
    await asyncio.sleep(0.5)
    got = await reader.read(50_000_000)
    while chunk := await reader.read(1_000_000):
        got += chunk
    assert 0 < got.count(b"\n") < 20_000
    assert b'"end"' not in got
    writer.close()


async def test_a_socket_somebody_removed_is_made_again(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "AGAIN", 0.02)
    await asking.start()
    (asking.runtime / "control.sock").unlink()
    await asyncio.sleep(0.2)
    assert (await asking.ask(Stats()))[0].result["running"]


async def test_where_it_cannot_be_made_collecting_goes_on(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "AGAIN", 0.01)
    (asking.runtime / "control.sock").write_text("a file")
    serving = asyncio.create_task(server.serve(asking.rig.spool, "gh"))
    await asyncio.sleep(0.1)
    assert not serving.done()
    serving.cancel()
    [line] = caplog.messages
    assert "a file that is not a socket stands there; remove it" in line


async def test_a_disk_that_fails_under_a_question_ends_the_daemon(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: object) -> None:
        raise SpoolError("disk I/O error (SQLITE_IOERR_FSYNC)")

    serving = await asking.start()
    monkeypatch.setattr(asking.rig.spool.database, "read", fail)
    with pytest.raises(CollectorError, match="SQLITE_IOERR_FSYNC"):
        await asking.ask(Export())
    with pytest.raises(SpoolError, match="SQLITE_IOERR_FSYNC"):
        await serving


async def test_a_fault_of_our_own_is_told_and_ends_nothing(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*arguments: object) -> None:
        raise KeyError("oops")

    await asking.start()
    with monkeypatch.context() as faulty:
        faulty.setattr(asking.rig.spool.database, "read", fail)
        with pytest.raises(CollectorError, match=r"internal error \(KeyError\('oops'\)\)"):
            await asking.ask(Export())
    await asking.ask(Stats())
    assert "control socket: internal error" in caplog.text


async def test_the_socket_of_a_killed_daemon_is_passed_over(asking: Asking) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(asking.runtime / "control.sock"))
    await asking.rig.crash()
    assert not (await asking.ask(Stats()))[0].result["running"]
    await asking.rig.open()
    await asking.start()
    assert (await asking.ask(Stats()))[0].result["running"]


async def test_a_daemon_that_is_just_starting_is_waited_for(asking: Asking) -> None:
    question = asyncio.create_task(asking.ask(Stats()))
    await asyncio.sleep(0.3)
    await asking.start()
    assert (await question)[0].result["running"]


async def test_a_daemon_without_a_socket(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "STARTING", 0.0)
    with pytest.raises(CollectorError, match="a collector works on it, but its control socket is not to be found"):
        await asking.ask(Stats())


async def test_a_daemon_of_another_spool(asking: Asking, tmp_path: Path) -> None:
    await asking.start()
    other = tmp_path / "other"
    shutil.copytree(asking.rig.directory, other)
    asking.file.write_text(f'collector.data_dir = "{other}"')
    with pytest.raises(CollectorError, match=f"this daemon keeps another spool, {asking.rig.directory}"):
        await asking.ask(Forget("cloud"))


async def test_a_daemon_that_does_not_answer(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 0.1)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(asking.runtime / "control.sock"))
        mute.listen()
        with pytest.raises(CollectorError, match=r"does not answer within .*; look at: journalctl"):
            await asking.ask(Stats())


@pytest.mark.parametrize("answer", [b"", b'{"id":"a/b/1"}\n', b'{"id":"a/b/1"}\n{"end":"do', b"\xff\xff\n"])
async def test_an_answer_that_is_cut_off(asking: Asking, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(asking.runtime / "control.sock"))
        other.listen()

        def speak() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(CollectorError, match="the answer was cut off"):
            await asking.ask(Export())
        thread.join()


async def test_no_permission(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(client.socket.socket, "connect", refuse)
    with pytest.raises(CollectorError, match="no permission; run it as root or as the collector's user"):
        client.ask(asking.loaded, Stats(), lambda lines: None)


async def test_no_spool(asking: Asking, tmp_path: Path) -> None:
    asking.file.write_text(f'collector.data_dir = "{tmp_path / "nowhere"}"')
    with pytest.raises(CollectorError, match="no spool there"):
        await asking.ask(Stats())
    assert not (tmp_path / "nowhere").exists()


def test_the_service_is_found_without_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "SERVICE_DIRECTORY", tmp_path / "edge-collector")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "edge-collector"))
    [of_service, _] = place.places(tmp_path, os.getuid())
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    assert of_service not in place.places(tmp_path, os.getuid())
    of_service.mkdir(parents=True)
    assert place.places(tmp_path, os.getuid())[0] == of_service
    assert of_service not in place.places(tmp_path, os.getuid() + 1)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_root_works_as_the_owner_and_leaves_no_file_of_its_own() -> None:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    uid = 65534
    try:
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        (data / "lock").touch()
        (data / "spool.sqlite3").touch()
        for path in (data, *data.iterdir()):
            os.chown(path, uid, uid)
        (folder / "c.toml").write_text(
            f'collector.data_dir = "{data}"\nsinks.a.type = "mqtt"\nsinks.a.url = "mqtt://localhost"'
        )
        loaded = load(folder / "c.toml")
        child = os.fork()
        if child == 0:
            try:
                done = client.ask(loaded, Stats(), lambda lines: None)
                os._exit(0 if not done.result["running"] and os.getresuid() == (uid,) * 3 else 3)
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        journal = place.places(data, uid)[-1]
        files = [data, *data.iterdir(), journal, *journal.iterdir()]
        assert {path.stat().st_uid for path in files} == {uid}
        shutil.rmtree(journal)
    finally:
        shutil.rmtree(folder)
