"""Whose word counts on where a request came from (RFC 7239's older kin, X-Forwarded-For)."""

import functools
import ipaddress

from talas.core.settings import Network


class TrustedProxies:
    """The header is what the client made of it, up to the first proxy of ours on the way."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks
        self._is_trusted = functools.lru_cache(1024)(self._lies_in_a_network)

    def client_of(self, peer: str, forwarded_for: str | None) -> str:
        """The address that the nearest trusted proxy saw, or the peer's own."""
        if forwarded_for is None or not self._networks or not self._is_trusted(peer):
            return peer
        client = peer
        for hop in reversed(forwarded_for.split(",")):
            client = hop.strip()
            if not self._is_trusted(client):
                break
        return client if _is_address(client) else peer

    def _lies_in_a_network(self, address: str) -> bool:
        if not _is_address(address):
            return False
        return any(ipaddress.ip_address(address) in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
