"""Calls at once go over clients of their own; calls in turn over one, whose connection is open."""

import httpx2

from core.api.http_clients import Clients


def test_each_of_two_calls_at_once_has_a_client_of_its_own() -> None:
    clients = Clients()
    with clients.one(9.0) as one, clients.one(9.0) as other:
        assert one is not other
    clients.close()
    assert one.client.is_closed
    assert other.client.is_closed


def test_calls_in_turn_use_one_client() -> None:
    clients = Clients()
    used: set[int] = set()
    for _ in range(3):
        with clients.one(9.0) as client:
            used.add(id(client.client))
    assert len(used) == 1
    clients.close()


def test_a_client_that_was_given_serves_every_call() -> None:
    given = httpx2.Client()
    clients = Clients(given)
    with clients.one(9.0) as one, clients.one(9.0) as other:
        assert one.client is other.client is given
    clients.close()
    assert given.is_closed
