"""Where the ledger is: TITAN_LEDGER before titan.toml, and a password in neither file nor text."""

from pathlib import Path

import pytest
from support.error_codes import code_is

from core.config.ledger_address import place_of
from core.config.settings import Settings, child_environment, folder_of, from_environment
from core.config.titan_tables import parse
from core.errors import InputError, SettingsError
from core.redaction import redact
from state.model.ledger_url import LedgerUrl

SECRET = "pass-word-123"
URL = "postgresql://titan@db.example:5433/titan?sslmode=require"


def settings_of(home: Path, **variables: str) -> Settings:
    return from_environment({"TITAN_HOME": str(home), **variables})


def write_toml(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "titan.toml").write_text(text, "utf-8")


def refusal(home: Path, code: str, **variables: str) -> str:
    with pytest.raises(SettingsError, check=code_is(code)) as caught:
        settings_of(home, **variables)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_without_an_address_the_ledger_is_in_its_home(home: Path) -> None:
    write_toml(home, '[console]\nname = "ledger"\n')
    assert settings_of(home).folder.ledger_url is None


def test_the_environment_comes_before_titan_toml(home: Path) -> None:
    write_toml(home, f'[ledger]\nurl = "{URL}"\n')
    assert settings_of(home).folder.ledger_url == URL
    assert settings_of(home, TITAN_LEDGER="postgres:///other").ledger_url == "postgres:///other"
    assert settings_of(home, TITAN_LEDGER=" ").ledger_url == URL


@pytest.mark.parametrize("text", ['ledger.url = "{}"', 'ledger = {{ url = "{}" }}'])
def test_any_form_of_toml_is_read(home: Path, text: str) -> None:
    text = text.format(URL)
    write_toml(home, text)
    assert settings_of(home).ledger_url == URL
    assert parse(text).problems == ()


@pytest.mark.parametrize("place", ["titan:{}@", "titan@"])
def test_a_password_in_titan_toml_is_refused(home: Path, place: str) -> None:
    query = "" if "{}" in place else f"?password={SECRET}"
    write_toml(home, f'[ledger]\nurl = "postgresql://{place.format(SECRET)}db/titan{query}"\n')
    assert "PGPASSFILE" in refusal(home, "ledger_url_password")
    # Also where another address counts: it is in a file all the same.
    refusal(home, "ledger_url_password", TITAN_LEDGER=URL)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://titan:{SECRET}@db/titan",
        f"host=db password={SECRET}",
        f"postgresql://titan:{SECRET}#x@db/titan",
        f"postgresql://titan:a/{SECRET}@db/titan",
        f"postgresql://titan:a?{SECRET}@db/titan",
        f"postgresql://titan:a@{SECRET}@db/titan",
        f"postgresql:titan:{SECRET}@db",
        f"postgresql://[{SECRET}",
        "titan.db",
    ],
)
def test_what_is_no_address_of_postgresql_is_refused(home: Path, url: str) -> None:
    refusal(home, "ledger_url_malformed", TITAN_LEDGER=url)


def test_the_message_names_the_scheme_of_another_database_and_no_more(home: Path) -> None:
    with pytest.raises(InputError, match=r"^mysql://… is neither a TITAN_HOME") as caught:
        place_of(f"mysql://titan:{SECRET}@db/titan", home)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text", ['[ledger]\nurl = "postgresql://db/x\n', "[ledger]\nurl = 5\n", "ledger = 5\n"]
)
def test_an_address_that_cannot_be_read_is_not_taken_for_none(home: Path, text: str) -> None:
    write_toml(home, text)
    assert "titan.toml" in refusal(home, "ledger_url_unknown")
    assert settings_of(home, TITAN_LEDGER=URL).ledger_url == URL


def test_a_mistake_elsewhere_in_titan_toml_does_not_matter(home: Path) -> None:
    write_toml(home, "this is not TOML\n")
    assert settings_of(home).ledger_url is None


def test_passwords_are_hidden_in_every_text(home: Path) -> None:
    encoded = SECRET.replace("-", "%2D")
    url = f"postgresql://titan:{encoded}@db/titan"
    settings = settings_of(home, TITAN_LEDGER=url, PGPASSWORD="another-secret")
    said = redact(f"{SECRET} {encoded} another-secret {settings} {settings.folder}")
    assert not {SECRET, encoded, "another-secret"} & set(said.split())
    assert SECRET not in repr(settings.folder)
    assert encoded not in repr(settings.folder)


def test_a_child_process_has_the_same_ledger(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITAN_LEDGER", URL)
    assert folder_of(home).ledger_url == URL
    other = Settings(home=home, ledger_url=LedgerUrl("postgresql:///mine"))
    assert child_environment(other)["TITAN_LEDGER"] == "postgresql:///mine"
    # That of a demo is in its own folder.
    assert "TITAN_LEDGER" not in child_environment(Settings(home=home))
