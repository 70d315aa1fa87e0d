"""The conformance kit against our own server, and against servers that do it wrong."""

import http.server
import json
import threading

import pytest

from config.errors import UserMistake
from forewarn.cli import run
from forewarn.conformance import check_server, read_keys
from forewarn.embedded.ports import free_port

KINDS = ("webhook", "tcec102", "ocpi", "read")


@pytest.fixture
def keys(world, tmp_path):
    world.add("star", "CN-STR", kinds=KINDS)
    file = tmp_path / "star.json"
    shown = {kind: world.keys["star", kind].shown for kind in KINDS}
    file.write_text(json.dumps({"partner": "star", "operators": ["CN-STR"], "keys": shown}))
    return file


def test_our_server_fits_in_every_protocol(world, keys):
    found = check_server(world.url, "star", read_keys(keys))
    assert [one for one in found if not one.fits] == []
    assert {one.protocol for one in found} == set(KINDS)
    # It reports notices alone, at a place that no station has, and ends what it began.
    assert {one.severity for one in world.desk.sightings if one.state == "on"} == {3}
    assert {one.station for one in world.desk.sightings} == {"conformance-check"}


def test_the_command_prints_each_check_and_how_many_fit(world, keys, capsys):
    assert run(["partner", "check", "--url", world.url, "--partner", "star", "--keys", str(keys), "--json"]) == 0
    out = capsys.readouterr().out
    # The server logs to the same standard output here.
    said = json.loads(out[out.index("{\n") :])
    assert said["checks"] == said["fit"] == len(said["results"]) > 40
    assert run(["partner", "check", "--url", world.url, "--partner", "moon", "--keys", str(keys)]) == 1
    assert "FAILS  webhook" in capsys.readouterr().out


class Careless(http.server.BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        body = b'{"duplicate": false, "Ret": 0, "Msg": "", "Data": "", "Sig": "", "status_code": 1000}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_PATCH = do_POST

    def do_GET(self):
        self.headers["Content-Length"] = "0"
        self.do_POST()

    def log_message(self, *_):
        pass


def test_a_server_that_says_yes_to_everything_does_not_fit(keys):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            found = check_server(f"http://127.0.0.1:{server.server_address[1]}", "star", read_keys(keys))
        finally:
            server.shutdown()
            thread.join()
    failed = {one.what for one in found if not one.fits}
    assert {"a replay is refused", "a forged signature is refused", "6 minutes behind is refused"} <= failed
    assert "it carries an access token" in failed


def test_a_server_that_is_not_there_is_one_line(keys):
    with pytest.raises(UserMistake, match="nobody answers"):
        check_server(f"http://127.0.0.1:{free_port()}", "star", read_keys(keys))


@pytest.mark.parametrize("content", ["", "[]", '{"keys": {}}', '{"keys": {"webhook": 1}}'])
def test_a_file_without_keys_is_one_line(tmp_path, content):
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(UserMistake, match=r"keys\.json"):
        read_keys(file)
