"""What an operator says of itself when it registers: which addresses are asked, and whose roles count."""

from datetime import UTC, datetime

import pytest

from alerts.charging.partners.credentials import checked_url, commands_url, details_url, read_credentials
from alerts.charging.partners.partner import Partner
from alerts.charging.partners.refusals import EndpointsMissing, NoCommonVersion, NotUnderstood

ALF = Partner(partner_id="alf", name="Alf", operators=("NL-ALF",), created_at=datetime(2026, 11, 1, tzinfo=UTC))
ROLE = {"role": "CPO", "country_code": "nl", "party_id": "alf"}


@pytest.mark.parametrize(
    "url",
    [
        "http://alf.example/versions",
        "https://",
        "https://:443/",
        "https://user@alf.example/",
        "https://alf.example/#x",
        "https://alf.example/a b",
        "https://alf.example:99999/",
        "https://[::1/",
        "file:///etc/passwd",
        "https://alf.example/" + "x" * 300,
        "",
        None,
        7,
    ],
)
def test_an_address_that_is_not_to_be_asked_is_refused(url):
    with pytest.raises(NotUnderstood, match="https"):
        checked_url(url, name="url", in_the_open=False)


@pytest.mark.parametrize(
    "host", ["localhost:9200", "localhost.", "169.254.169.254", "10.0.0.5", "[::1]", "127.0.0.1", "db.internal"]
)
def test_an_address_inside_a_network_is_not_asked_for_somebody_outside(host):
    with pytest.raises(NotUnderstood, match="as others reach it"):
        checked_url(f"https://{host}/", name="url", in_the_open=False)


def test_on_one_machine_an_address_may_be_without_tls():
    for in_the_open, url in ((False, "https://alf.example:8443/v"), (True, "http://127.0.0.1:9/v")):
        assert checked_url(url, name="url", in_the_open=in_the_open) == url


def test_a_hub_that_names_others_too_is_the_partner_it_is():
    roles = [{"role": "CPO", "country_code": "NL", "party_id": "BEE"}, 7, ROLE]
    fields = {"token": "b", "url": "https://alf.example/v", "roles": roles}
    assert read_credentials(fields, ALF, in_the_open=False).token == "b"


def test_the_common_version_and_the_commands_are_found_among_others():
    versions = [{"version": "2.1.1", "url": "https://a.example/1"}, {"version": "2.2.1", "url": "https://a.example/2"}]
    assert details_url(versions, in_the_open=False) == "https://a.example/2"
    commands = {"identifier": "commands", "role": "RECEIVER", "url": "https://a.example/c"}
    assert commands_url({"endpoints": [None, commands]}, in_the_open=False) == "https://a.example/c"


@pytest.mark.parametrize("data", [None, 1, [], {}, [None], [{"version": "2.3.0"}]])
def test_what_lists_nothing_that_we_speak_is_told_so(data):
    with pytest.raises(NoCommonVersion):
        details_url(data, in_the_open=True)
    with pytest.raises(EndpointsMissing):
        commands_url(data, in_the_open=True)
