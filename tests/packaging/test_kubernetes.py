"""The manifest: right by Kubernetes' own schema, and right by the collector's own check."""

from pathlib import Path
from typing import Any

import pytest

from collector.check import load_checked

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="not installed (pip, extra dev)")
yaml = pytest.importorskip("yaml", reason="not installed (pip, extra dev)")

PACKAGING = Path(__file__).parents[2] / "packaging"
OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((PACKAGING / "kubernetes/edge-collector.yaml").read_text("utf-8"))
)
BY_KIND = {one["kind"]: one for one in OBJECTS}
POD = BY_KIND["StatefulSet"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


@pytest.mark.parametrize("version", ["1.27", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", ["ConfigMap", "Service", "StatefulSet"])
def test_the_schema(kind: str, version: str) -> None:
    kubernetes_validate.validate(BY_KIND[kind], version, strict=True)


def test_the_collector_takes_the_configuration(tmp_path: Path) -> None:
    """Laid out as the projected volume lays it out."""
    for source in POD["volumes"][0]["projected"]["sources"]:
        if "configMap" in source:
            for name, text in BY_KIND["ConfigMap"]["data"].items():
                (tmp_path / name).write_text(text)
        else:
            for item in source["secret"]["items"]:
                (tmp_path / item["path"]).parent.mkdir(exist_ok=True)
                (tmp_path / item["path"]).write_text("secret\n")
                (tmp_path / item["path"]).chmod(0o440)
    loaded = load_checked(tmp_path / "collector.toml")
    assert not [warning for warning in loaded.warnings if "token_file" in warning]
    listen = loaded.configuration.status.listen
    assert listen is not None and listen.endswith(f":{CONTAINER['ports'][0]['containerPort']}")


def test_it_runs_as_the_image_is_made() -> None:
    containerfile = (PACKAGING / "container/Containerfile").read_text()
    pod = POD["securityContext"]
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in containerfile
    mounted = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert {"/etc/edge-collector", "/var/lib/edge-collector", "/run/edge-collector"} == mounted
    assert all(path in containerfile for path in mounted)


def test_nothing_that_it_does_not_need() -> None:
    """As the restricted Pod Security Standard wants it, and a little more."""
    pod, container = POD["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] and not POD["automountServiceAccountToken"]
    assert not container["allowPrivilegeEscalation"] and container["readOnlyRootFilesystem"]
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert pod["seccompProfile"]["type"] == "Localhost"
    assert CONTAINER["resources"]["limits"].keys() == {"cpu", "memory"}
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"
