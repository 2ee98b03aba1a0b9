"""Whose X-Forwarded-For counts."""

import pytest

from talas.core.http.proxies import TrustedProxies
from talas.core.settings import SettingsError, load_settings


def trusting(networks: str) -> TrustedProxies:
    settings = load_settings(trusted_proxies=networks, jwt_secret="x" * 32)
    return TrustedProxies(settings.http.trusted_proxies)


@pytest.mark.parametrize(
    ("networks", "peer", "header", "client"),
    [
        ("", "127.0.0.1", "203.0.113.7", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("127.0.0.1", "127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "", "127.0.0.1"),
        ("::1", "::1", "2001:db8::5", "2001:db8::5"),
    ],
)
def test_the_nearest_trusted_proxy_is_believed(
    networks: str, peer: str, header: str, client: str
) -> None:
    assert trusting(networks).client_of(peer, header) == client


def test_a_bad_network_is_named() -> None:
    with pytest.raises(SettingsError, match=r"TRUSTED_PROXIES.*10\.0\.0\.0/8"):
        trusting("proxy.example")
