"""Messages that come without a pause while the service is stopped, replaced and upgraded: none lost, none twice."""

import json
import re
import time

from tests.package.container import Container, Failed, until

BROKER = """\
listener 1883 127.0.0.1
allow_anonymous true
max_queued_messages 1000000
persistence false
user root
"""

CONFIGURATION = """\
collector.id = "box"

[sources.meters]
type = "mqtt"
url = "mqtt://127.0.0.1:1883"
topics = ["meters/+"]
profile = "json-lines"

[sinks.cloud]
type = "http"
url = "http://127.0.0.1:8081/readings"
backoff = { min = "200ms", max = "1s" }
"""

# Numbered messages at QoS 1, until the file is gone; the last line says how many the broker has taken.
PUBLISH = """\
import pathlib, time
import paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "publisher")
client.max_inflight_messages_set(1000)
client.connect("127.0.0.1", 1883)
client.loop_start()
sent = []
while pathlib.Path("/root/publishing").exists():
    sent.append(client.publish("meters/a", '{"n": %d}' % len(sent), qos=1))
    time.sleep(0.005)
for one in sent:
    one.wait_for_publish(60)
print(len(sent))
"""

COUNT = """\
import json, sqlite3
rows = sqlite3.connect("file:/root/cloud.sqlite3?mode=ro", uri=True).execute(
    "SELECT json_extract(fields, '$.n') FROM reading WHERE source = 'meters'").fetchall()
print(json.dumps([len(rows), len(set(rows))]))
"""


class Load:
    """Source broker, publisher, the service between, and a receiver."""

    def __init__(self, box: Container) -> None:
        self._box = box
        box.write("/root/broker.conf", BROKER)
        box.write("/root/publish.py", PUBLISH)
        box.write("/root/count.py", COUNT)
        box.write("/root/publishing", "")
        box.sh("systemd-run --quiet --unit=source-broker mosquitto -c /root/broker.conf")
        self.cloud(up=True)
        box.write("/etc/edge-collector/conf.d/load.toml", CONFIGURATION)
        box.sh("edge-collector check && systemctl restart edge-collector")
        until(lambda: box.metrics().get('source_connected{source="meters"}'), "the source to be connected", 30)
        self._publisher = box.start("python3 /root/publish.py")
        until(lambda: self.received() > 200, "readings in the cloud", 60)

    def cloud(self, *, up: bool) -> None:
        if up:
            receive = "edge-collector receive --quiet --http 127.0.0.1:8081 --db /root/cloud.sqlite3"
            self._box.sh(f"systemd-run --quiet --unit=cloud {receive}")
        else:
            self._box.sh("systemctl stop cloud")

    def received(self) -> int:
        return self._counts()[0]

    def _drained(self, sent: int) -> None:
        """A busy machine takes its time, so what counts is that more arrive."""
        arrived = -1
        while (now := self._counts()[1]) < sent:
            if now == arrived:
                books = {name: value for name, value in self._box.metrics().items() if "_bucket" not in name}
                raise Failed(f"{sent} sent, {now} arrived, and no more in 20 s; {books}")
            arrived = now
            deadline = time.monotonic() + 20
            while self._counts()[1] == arrived and time.monotonic() < deadline:
                time.sleep(0.2)

    def _counts(self) -> tuple[int, int]:
        text = self._box.sh("python3 /root/count.py", check=False)
        if not text.startswith("["):
            return 0, 0
        rows, different = json.loads(text)
        return rows, different

    def more(self, count: int) -> None:
        """So many more arrive."""
        before = self.received()
        until(lambda: self.received() >= before + count, f"{count} more readings in the cloud", 60)

    def pending(self) -> int:
        return int(self._box.metrics().get('spool_pending_readings{sink="cloud"}', 0))

    def end(self) -> str:
        """Stops the publisher and counts."""
        (self._box.tree / "root/publishing").unlink()
        said, _ = self._publisher.communicate(timeout=90)
        if not said.strip().isdigit():
            raise Failed(f"the publisher: {said}")
        sent = int(said)
        self._drained(sent)
        rows, different = self._counts()
        if (rows, different) != (sent, sent):
            raise Failed(f"{sent} sent, {different} different arrived, {rows} in all")
        return f"{sent} messages sent, {sent - different} lost, {rows - different} twice"


def survives(box: Container, deb: str, newer: str) -> list[str]:
    """A line for each thing that it went through."""
    load = Load(box)
    told = []
    box.sh("systemctl restart edge-collector")
    load.more(100)
    told.append("systemctl restart under load")

    box.sh(f"kill -KILL {box.unit('MainPID')}")
    load.more(100)
    told.append("SIGKILL under load")

    load.cloud(up=False)
    until(lambda: load.pending() > 500, "500 readings to wait for the cloud", 60)
    before = load.pending()
    box.sh("systemctl restart edge-collector")
    box.sh(f"apt-get install --quiet --yes --no-install-recommends --reinstall {deb}")
    until(box.active, "the service to be active", 60)
    until(lambda: load.pending() >= before, f"{before} readings to be pending still", 30)
    told.append(
        f"{before} pending readings, a restart, then apt install --reinstall: {load.pending()} pending, messages coming"
    )

    said = box.sh(f"apt-get install --quiet --yes --no-install-recommends {newer}")
    found = re.search(r"Unpacking edge-collector \(.*\) over \(.*\)", said)
    if found is None:
        raise Failed(said)
    until(box.active, "the service to be active", 60)
    told.append(f"upgrade with the cloud away: {found[0]}")
    load.cloud(up=True)
    load.more(500)
    older = box.sh(f"apt-get install --quiet --yes --no-install-recommends --allow-downgrades {deb}")
    newest = box.sh(f"apt-get install --quiet --yes --no-install-recommends {newer}")
    if "over" not in older or "over" not in newest:
        raise Failed(older + newest)
    load.more(100)
    told.append("downgrade and upgrade with the cloud there")
    told.append(load.end())
    box.write("/etc/edge-collector/conf.d/load.toml", "")
    box.sh("rm /etc/edge-collector/conf.d/load.toml; systemctl stop source-broker cloud")
    return told
