"""Where Heddle's worker may send requests that stand in definitions: an allow-list of hosts and networks.

Two things must hold. The host that a request names is listed: by its name, by a pattern, or as an address in a listed
network. And the address that is connected to is a public one, or lies in a listed network. So no name, whoever answers
for it, leads to the machine itself, into a private network or to a cloud's metadata, unless that network is listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Pattern:
    """Hosts by name: one, all below a domain (`*.example.com`), or every host (`*`); port None: any."""

    name: str
    port: int | None

    def has(self, host: str, port: int) -> bool:
        """Tell whether a host is among them."""
        if self.port not in (None, port):
            return False
        if self.name == "*":
            return True
        return host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses that may be connected to though they are not public; port None: any."""

    network: IPv4Network | IPv6Network
    port: int | None

    def has(self, address: Address, port: int) -> bool:
        """Tell whether an address is among them."""
        return self.port in (None, port) and address in self.network


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a request is sent to; `host` is a name in lower case without a dot at its end, or an address."""

    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """The address that the request names; None when it has a name."""
        return _address(self.host)


@dataclass(frozen=True, slots=True)
class Egress:
    """The allow-list; the empty one allows nothing."""

    patterns: tuple[Pattern, ...] = ()
    networks: tuple[Network, ...] = ()

    def forbids_host(self, target: Target) -> str:
        """Say why a host may not be asked at all, before anybody is asked for its addresses; nothing if it may."""
        if any(pattern.has(target.host, target.port) for pattern in self.patterns):
            return ""
        address = target.address
        if address is not None and self._lists(address, target.port):
            return ""
        return f"{VARIABLE} does not list {target.host}, port {target.port}"

    def forbids_address(self, target: Target, address: str) -> str:
        """Say why an address of a host may not be connected to; nothing if it may."""
        found = _plain(ip_address(address.partition("%")[0]))
        if is_public(found) or self._lists(found, target.port):
            return ""
        return f"{found} is not a public address, and {VARIABLE} does not list its network"

    def _lists(self, address: Address, port: int) -> bool:
        return any(network.has(_plain(address), port) for network in self.networks)


VARIABLE = "HEDDLE_HTTP_ALLOW"


def target_of(url: str) -> Target:
    """Read whom a url leads to; raise ValueError when that cannot be read in one way only."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the url has a user or a password in it")
    match = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", parts.netloc)
    if parts.scheme not in ("http", "https") or match is None:
        raise ValueError("the url names no host that can be asked")
    port = int(match["port"] or (443 if parts.scheme == "https" else 80))
    if not 1 <= port <= 65535:
        raise ValueError(f"the url names the port {port}; ports are 1 to 65535")
    return Target(_host(match["host"]), port)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the open internet, in whatever form it is written."""
    address = _plain(address)
    if any(address in network for network in _SPECIAL) or address.is_multicast or address.is_reserved:
        return False
    return address.is_global and (isinstance(address, IPv4Address) or address in _GIVEN_OUT)


def parse(text: str) -> Egress:
    """Read the setting: hosts and networks with commas between them; raise ValueError for anything else."""
    patterns: list[Pattern] = []
    networks: list[Network] = []
    for part in (part.strip() for part in text.split(",")):
        match = re.fullmatch(r"(?P<host>\[[^\[\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?", part)
        if match is None or (match["port"] and not 1 <= int(match["port"]) <= 65535):
            raise ValueError(f"{part!r} is {_EXPECTED}")
        port = int(match["port"]) if match["port"] else None
        host = match["host"].lower()
        if (network := _network(host.strip("[]"))) is not None:
            networks.append(Network(network, port))
        elif _PATTERN.fullmatch(host) is not None and not _ends_in_number(host):
            patterns.append(Pattern(host.rstrip("."), port))
        else:
            raise ValueError(f"{part!r} is {_EXPECTED}")
    return Egress(tuple(patterns), tuple(networks))


_EXPECTED = (
    "no host, pattern or network: expected such as api.example.com, *.example.com:443, 10.0.0.0/8 or [fd00::/8]:8080, "
    "with commas between them"
)
_GIVEN_OUT = IPv6Network("2000::/3")  # of all of IPv6, the part that has public addresses today
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # of protocols, and of a cloud's metadata
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # a cloud's metadata, though the address looks public
        "2001::/23",  # of protocols, among them Teredo, which leads on to IPv4
        "2002::/16",  # 6to4, likewise
        "3fff::/20",  # of documents
    )
)
"""Networks that are not public, beside those that Python has always known."""

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PATTERN = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*\.?")


def _host(written: str) -> str:
    """Bring a host into the one form that is compared and looked up."""
    host = written.lower().rstrip(".")
    if host.startswith("["):
        return str(IPv6Address(host.strip("[]")))
    if _address(host) is not None:
        return host
    # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses to some and names to others.
    if _PATTERN.fullmatch(host) is None or host.startswith("*") or _ends_in_number(host):
        raise ValueError(f"{written!r} is no host: expected a name, or an address such as 192.0.2.1 or [2001:db8::1]")
    return host


def _ends_in_number(host: str) -> bool:
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rstrip(".").rpartition(".")[2]) is not None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    """Take an IPv4 address out of an IPv6 one that stands for it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64
