"""The guide for partners: what it says to type works, and what it lists is there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from alerts.charging.partners.events import _READERS
from tests.conftest import missing
from tests.partners import CLIENT

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "partners.md"


def test_the_curl_line_works(world):
    for program in ("sh", "curl", "openssl", "base64", "od"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    world.add("star", "star")
    (script,) = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    environment = {"PATH": "/usr/bin:/bin", "URL": world.url, "SECRET": world.secret("star")}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["duplicate"], len(said["dangers"])) == (False, 1)
    (seen,) = world.desk.sightings
    assert (seen.source_id, seen.station, seen.code, seen.severity) == ("A-4711", "SH-001", "18", 3)


def test_every_type_of_event_is_in_the_guide_and_in_the_description(world):
    guide = GUIDE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(forewarn\.[a-z0-9_.]+)` \|", guide, re.MULTILINE)) == set(_READERS)
    (schema,) = [
        operation["requestBody"]["content"]["application/cloudevents+json"]["schema"]
        for path, operations in CLIENT.get(f"{world.url}/openapi.json").json()["paths"].items()
        for operation in operations.values()
        if path.endswith("/events")
    ]
    assert {one["properties"]["type"]["const"] for one in schema["oneOf"]} == set(_READERS)


def test_every_interface_of_tcec_is_in_the_guide(world):
    guide = GUIDE.read_text(encoding="utf-8")
    served = {
        path.rsplit("/", 1)[1]
        for path in CLIENT.get(f"{world.url}/openapi.json").json()["paths"]
        if path.startswith("/evcs/")
    }
    assert {name for name in served if f"`{name}`" in guide or f"/{name}`" in guide} == served
