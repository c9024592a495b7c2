"""The file of gateways: what it says, where secrets come from, and a sentence for each mistake in it."""

import json
import pprint
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings
from django.utils.module_loading import import_string
from django.views.debug import get_default_exception_reporter_filter, technical_500_response

from compose import routing
from compose.gateways.base import Gateway
from smsmanager.environment import BadEnvironment
from smsmanager.gateway_checks import gateways_can_be_used
from smsmanager.gateway_settings import BACKENDS, Secret, gateways, public_url, read, short_name
from tests.fixtures.databases import child_environ

PASSWORD = "hunter2-and-more"
WHOLE = """
[default]
backend = "smpp"

[default.options]
host = "smpp.example.net"
port = 3550
system_id = "bakery"
password = { env = "SMPP_PASSWORD" }
originators = { short = [3, 0] }

[default.door]
key = { env = "DOOR_KEY" }
addresses = ["192.0.2.0/24"]

[mine]
backend = "shop.sms.MyGateway"
messages_per_second = 0.5

[mine.options]
headers = { Authorization = { env = "SMPP_PASSWORD" }, Accept = "text/plain" }
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMSMANAGER_GATEWAYS", "SMSMANAGER_GATEWAY", "SMSMANAGER_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMPP_PASSWORD", f" {PASSWORD}\n")
    monkeypatch.setenv("DOOR_KEY", "k" * 32)


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "gateways.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_names_gateways_with_their_secrets_from_the_environment(tmp_path: Path) -> None:
    found = read(written(tmp_path, WHOLE))
    assert found == {
        "default": {
            "BACKEND": "compose.gateways.smpp.SmppGateway",
            "OPTIONS": {
                "host": "smpp.example.net",
                "port": 3550,
                "system_id": "bakery",
                "password": PASSWORD,
                "originators": {"short": [3, 0]},
            },
            "DOOR": {"key": "k" * 32, "addresses": ["192.0.2.0/24"]},
        },
        "mine": {
            "BACKEND": "shop.sms.MyGateway",
            "OPTIONS": {"headers": {"Authorization": PASSWORD, "Accept": "text/plain"}},
            "MESSAGES_PER_SECOND": 0.5,
        },
    }
    assert isinstance(found["mine"]["OPTIONS"]["headers"]["Authorization"], Secret)
    assert not isinstance(found["default"]["OPTIONS"]["host"], Secret)


def test_what_came_from_the_environment_is_shown_by_nothing_that_prints_settings(tmp_path: Path) -> None:
    found = read(written(tmp_path, WHOLE))
    for shown in (repr(found), pprint.pformat(found), f"{found}", str([found])):
        assert PASSWORD not in shown
        assert "smpp.example.net" in shown
    # It is the text itself all the same.
    password = found["default"]["OPTIONS"]["password"]
    assert (str(password), f"{password}", json.dumps(password)) == (PASSWORD, PASSWORD, f'"{PASSWORD}"')


def test_every_short_name_is_a_gateway() -> None:
    for name, path in BACKENDS.items():
        assert issubclass(import_string(path), Gateway), name
        assert short_name(path) == name
    assert short_name("shop.sms.MyGateway") == "shop.sms.MyGateway"


def test_the_simulator_gets_the_broker_of_the_installation(tmp_path: Path) -> None:
    found = read(written(tmp_path, '[default]\nbackend = "simulator"'), redis_url="redis://a")
    assert found["default"]["OPTIONS"] == {"redis_url": "redis://a"}
    given = '[default]\nbackend = "simulator"\noptions = { redis_url = "redis://b" }'
    assert read(written(tmp_path, given), redis_url="redis://a")["default"]["OPTIONS"] == {"redis_url": "redis://b"}


MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "not TOML": ("default = ", "is not TOML"),
    "not UTF-8": (b"# \xff", "is not a text in UTF-8"),
    "empty": ("# nothing", "names no gateway"),
    "no table": ('default = "smpp"', "must be a table: write [default]"),
    "no backend": ("[default]\noptions = {}", "'default' has no backend: one of console, file,"),
    "no text": ("[default]\nbackend = 3", "has no backend"),
    "unknown backend": ('[default]\nbackend = "smp"', "there is no backend 'smp'; there are console,"),
    "unknown key": ('[default]\nbackend = "smpp"\noption = 1', "option means nothing here; it may say backend, door"),
    "options": ('[default]\nbackend = "smpp"\noptions = 1', "options must be a table"),
    "door": ('[default]\nbackend = "smpp"\ndoor = 1', "door must be a table"),
    "door's key": ('[default]\nbackend = "smpp"\ndoor = { key = 1 }', "key must be a text, from the environment"),
    "addresses": ('[default]\nbackend = "smpp"\ndoor = { addresses = "a" }', "addresses must be a list of texts"),
    "in the door": ('[default]\nbackend = "smpp"\ndoor = { keys = "a" }', "door: keys means nothing here; it may say"),
    "env": ('[default]\nbackend = "smpp"\noptions = { password = { env = 1 } }', "env must be the name of a variable"),
    "unset": (
        '[default]\nbackend = "smpp"\noptions = { password = { env = "NOBODY_SETS_IT" } }',
        "options password: the variable NOBODY_SETS_IT is not set in the environment",
    ),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_a_sentence_that_names_the_variable_of_the_file(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(BadEnvironment) as refused:
        read(written(tmp_path, text))
    sentence = str(refused.value)
    assert sentence.startswith("SMSMANAGER_GATEWAYS")
    assert sentence.endswith(".")
    assert said in sentence


def test_a_secret_that_stands_where_its_variable_belongs_is_not_shown(tmp_path: Path) -> None:
    for secret in (PASSWORD, f"{PASSWORD}=", f"{PASSWORD}\\u0000"):
        with pytest.raises(BadEnvironment) as refused:
            read(written(tmp_path, f'[default]\nbackend = "smpp"\noptions = {{ password = {{ env = "{secret}" }} }}'))
        assert PASSWORD not in str(refused.value)
        assert "options password" in str(refused.value)


def test_a_file_that_is_not_there_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(BadEnvironment, match=r"^SMSMANAGER_GATEWAYS must be the path of a TOML file, not .*\.$"):
            read(path)


def test_one_variable_or_the_other_names_the_gateways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gateways(redis_url="", default="console")["default"]["BACKEND"] == BACKENDS["console"]
    monkeypatch.setenv("SMSMANAGER_GATEWAY", "simulator")
    assert gateways(redis_url="redis://a", default="console")["default"] == {
        "BACKEND": BACKENDS["simulator"],
        "OPTIONS": {"redis_url": "redis://a"},
    }
    monkeypatch.setenv("SMSMANAGER_GATEWAYS", str(written(tmp_path, WHOLE)))
    with pytest.raises(BadEnvironment, match="are both set; take one of them away"):
        gateways(redis_url="", default="console")
    monkeypatch.delenv("SMSMANAGER_GATEWAY")
    assert list(gateways(redis_url="", default="console")) == ["default", "mine"]


@pytest.mark.parametrize(
    "value",
    [
        "sms.example.net",
        "ftp://a",
        "https://",
        "https://a/b",
        "https://a?b",
        "https://u:p@a",
        "https://[",
        "http://a:b",
    ],
)
def test_a_public_address_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_PUBLIC_URL", value)
    with pytest.raises(BadEnvironment, match=r"^SMSMANAGER_PUBLIC_URL must be an address such as .*\.$"):
        public_url()


def test_a_gateway_knows_its_door_and_the_key_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSMANAGER_PUBLIC_URL", "https://sms.example.net:8443/")
    assert public_url() == "https://sms.example.net:8443"
    wanted: dict[str, Any] = {"BACKEND": BACKENDS["console"], "OPTIONS": {}}
    configured = {"default": wanted, "other": {**wanted, "DOOR": {"key": "k" * 32}}}
    routing.gateway.cache_clear()
    try:
        with override_settings(SMS_GATEWAYS=configured, SMS_PUBLIC_URL=public_url()):
            assert routing.gateway("default").door == "https://sms.example.net:8443/gateways/default/"
            assert (routing.gateway("default").door_key, routing.gateway("other").door_key) == ("", "k" * 32)
        routing.gateway.cache_clear()
        with override_settings(SMS_GATEWAYS=configured, SMS_PUBLIC_URL=""):
            assert routing.gateway("other").door == ""
    finally:
        routing.gateway.cache_clear()


def test_djangos_page_and_letter_about_an_error_show_no_gateway() -> None:
    # As a settings module of one's own would have it: a plain text, not one that knows how to hide.
    plain = {"default": {"BACKEND": "x", "OPTIONS": {"user": "bakery-account", "pwd": PASSWORD}}}
    with override_settings(SMS_GATEWAYS=plain, DEBUG=True):
        request = RequestFactory().get("/")
        shown = get_default_exception_reporter_filter().get_safe_settings()
        assert shown["SMS_GATEWAYS"] == "********************"
        try:
            raise RuntimeError("an error")
        except RuntimeError:
            page = technical_500_response(request, *sys.exc_info()).content.decode()
    assert "SMS_GATEWAYS" in page
    # The local variables of this very function are on the page; the settings are below them.
    below = page[page.index('id="settings-info"') :]
    assert PASSWORD not in below
    assert "bakery-account" not in below


def test_a_mistake_in_the_file_ends_every_command_with_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, f'[default]\nbackend = "smpp"\noptions = {{ password = "{PASSWORD}" }}\nnonsense = 1')
    environ = child_environ() | {"SMSMANAGER_GATEWAYS": str(path), "SMSMANAGER_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "check"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("SMSMANAGER_GATEWAYS: gateway 'default': nonsense means nothing here")
    assert PASSWORD not in done.stderr + done.stdout


@pytest.mark.parametrize("document", ["gateways.md", "operations.md"])
def test_the_files_in_the_documentation_are_in_order(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(settings.BASE_DIR) / "docs" / document).read_text(encoding="utf-8")
    # Whole files only: those that begin with the default gateway.
    blocks = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[default]\nbackend" in block]
    assert blocks
    for block in blocks:
        for variable in re.findall(r'env = "(\w+)"', block):
            monkeypatch.setenv(variable, "x" * 32)
        configured = read(written(tmp_path, block), redis_url="redis://a")
        with override_settings(
            SMS_GATEWAYS=configured, SMS_PUBLIC_URL="https://sms.example.net", SMS_GATEWAYS_FROM_FILE=True
        ):
            assert gateways_can_be_used() == [], block
