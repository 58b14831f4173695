"""A host notices lost transactions that it has only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ledgers.ledger_builders import START
from support.processes.postgres_server import the_server

from state.db.opening import open_ledger
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from state.model.ledger_url import LedgerUrl


@pytest.fixture
def databases() -> Iterator[tuple[str, str]]:
    """A ledger, and the name of its copy, which is not made yet."""
    server = the_server()
    primary, standby = server.new_database(), server.new_database()
    server.drop_database(standby)
    yield primary, standby
    for name in (primary, standby):
        server.run("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def use(home: Path, database: str, *, writes: int = 0) -> None:
    folder = Folder(home, LedgerUrl(the_server().url(database)))
    with open_ledger(folder, now=lambda: START, actor=home.name) as ledger:
        for _ in range(writes):
            with ledger.transaction("test") as tx:
                ledger.event(tx, "test")


@pytest.mark.parametrize("later", [0, 1, 9], ids=["behind", "level", "ahead"])
def test_a_host_that_only_read_refuses_a_server_that_lost_what_it_read(
    tmp_path: Path, databases: tuple[str, str], later: int
) -> None:
    primary, standby = databases
    writer, reader, new = (tmp_path / name for name in ("writer", "reader", "new"))
    use(writer, primary, writes=2)
    the_server().run("postgres", f"CREATE DATABASE {standby} TEMPLATE {primary}")
    use(writer, primary, writes=1)
    use(reader, primary)
    # Others may go on with the server that lost it.
    use(new, standby, writes=later)
    for _ in range(2):
        with pytest.raises(LedgerUnusable) as error:
            use(reader, standby)
        assert error.value.code == "ledger_rolled_back"
    use(reader, primary)
    use(new, standby)
