import pytest

from phiz.api.server.clients import ClientPlaces, get_address, group_address


def enter(places: ClientPlaces[str], address: str, *holders: str) -> None:
    for holder in holders:
        places.enter(address).line[holder] = None


def test_place_of_the_client_with_the_most_is_given_up_longest_without_progress_first() -> None:
    places = ClientPlaces[str](4)
    enter(places, "10.0.0.1", "a", "b", "c")
    enter(places, "10.0.0.2", "d", "e")
    client = places.enter("10.0.0.1")
    client.line.move_to_end("a")
    assert places.count == 6
    assert places.choose_victim() == "b"


def test_holder_that_may_not_be_ended_keeps_its_place() -> None:
    places = ClientPlaces[str](2)
    places.enter("10.0.0.1")
    places.enter("10.0.0.1")
    assert places.choose_victim() is None
    enter(places, "10.0.0.2", "newcomer")
    assert places.choose_victim() == "newcomer"


def test_client_without_places_is_forgotten() -> None:
    places = ClientPlaces[str](1)
    client = places.enter("10.0.0.1")
    client.line["a"] = None
    places.leave(client, "a")
    assert (places.count, places.choose_victim()) == (0, None)
    assert places.enter("10.0.0.1") is not client


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_ipv6_clients_are_told_apart_by_their_network(host: str, address: str) -> None:
    assert group_address(host) == address
    assert get_address({"client": (host, 1)}) == address


def test_request_without_a_client_has_no_address() -> None:
    assert get_address({"client": None}) == ""
