"""The block that conftest.py puts around every test holds."""

import os
import smtplib
import socket
import urllib.request

import pytest

# Libraries close a socket after an OSError only, and the block is on purpose none: it must not look like bad luck.
leaves_a_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OUTSIDE = "192.0.2.1"  # reserved for documentation: nobody answers there


def test_a_connection_to_the_outside_is_refused() -> None:
    with socket.socket() as outgoing, pytest.raises(RuntimeError, match="outside network is blocked"):
        outgoing.connect((OUTSIDE, 80))


def test_a_connection_by_name_is_refused() -> None:
    with socket.socket() as outgoing, pytest.raises(RuntimeError, match="outside network is blocked"):
        outgoing.connect(("example.org", 80))


def test_a_connection_over_ipv6_is_refused() -> None:
    with (
        socket.socket(socket.AF_INET6) as outgoing,
        pytest.raises(RuntimeError, match="outside network is blocked"),
    ):
        outgoing.connect(("2001:db8::1", 80, 0, 0))


@leaves_a_socket
def test_a_page_from_the_outside_is_refused() -> None:
    with pytest.raises(RuntimeError, match="outside network is blocked"):
        urllib.request.urlopen(f"http://{OUTSIDE}/", timeout=1)


@leaves_a_socket
def test_a_mail_to_the_outside_is_refused() -> None:
    with pytest.raises(RuntimeError, match="outside network is blocked"):
        smtplib.SMTP(OUTSIDE, 25, timeout=1)


def test_a_connection_that_reports_its_error_as_a_number_is_refused_too() -> None:
    with socket.socket() as outgoing:
        outgoing.settimeout(0.2)

        with pytest.raises(RuntimeError, match="outside network is blocked"):
            outgoing.connect_ex((OUTSIDE, 80))


def test_loopback_stays_open() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()

        client.connect(server.getsockname())

        assert client.getpeername() == server.getsockname()


def test_no_setting_of_this_machine_reaches_a_test() -> None:
    assert [name for name in os.environ if name.startswith("REGISTRY_") and name != "REGISTRY_TEST_REQUIRE"] == []
