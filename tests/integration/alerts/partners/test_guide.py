"""The guide for partners: what it says to type works, and what it lists is there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from alerts.charging.partners.events import _READERS
from tests.conftest import missing
from tests.ocpi_operator import ocpi_operator
from tests.partners import CLIENT

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "partners.md"


def typed(number: int, **environment: str):
    """Run one of the guide's scripts, and return what the server said to it."""
    for program in ("sh", "curl", "openssl", "base64", "od"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    script = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[number]
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_curl_line_works(world):
    world.add("star", "star")
    said = typed(0, URL=world.url, SECRET=world.secret("star"))
    assert (said["duplicate"], len(said["dangers"])) == (False, 1)
    (seen,) = world.desk.sightings
    assert (seen.source_id, seen.station, seen.code, seen.severity) == ("A-4711", "SH-001", "18", 3)


def test_the_curl_line_that_registers_works(world):
    world.add("alf", "NL-ALF", kinds=("ocpi_register",))
    with ocpi_operator("theirs") as operator:
        said = typed(
            1,
            URL=world.url,
            TOKEN_A=world.keys["alf", "ocpi_register"].shown["token"],
            TOKEN_B="theirs",
            VERSIONS=operator.versions_url,
        )
    assert said["status_code"] == 1000
    assert world.side.registry.by_token((said["data"]["token"],), "ocpi").partner_id == "alf"


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
