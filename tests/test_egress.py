"""Which hosts and addresses requests of definitions may reach."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from service import egress
from service.egress import Egress, Target, is_public, target_of


@pytest.mark.parametrize(
    ("allowed", "url", "is_listed"),
    [
        ("api.example.com", "https://api.example.com/orders", True),
        ("api.example.com", "https://API.Example.COM./orders", True),
        ("API.example.com.", "https://api.example.com/", True),
        ("api.example.com", "http://api.example.com:8080/", True),
        ("api.example.com", "https://example.com/", False),
        ("api.example.com", "https://api.example.com.evil.example/", False),
        ("api.example.com", "https://xapi.example.com/", False),
        ("api.example.com:443", "https://api.example.com/", True),
        ("api.example.com:443", "http://api.example.com/", False),
        ("api.example.com:8443", "https://api.example.com:8443/", True),
        ("*.example.com", "https://api.example.com/", True),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://badexample.com/", False),
        ("a.example, b.example:80", "http://b.example/", True),
        ("*", "https://anything.example:9/", True),
        ("*", "https://192.0.2.1/", True),
        ("*:443", "http://anything.example/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8:80", "http://10.1.2.3:81/", False),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/", True),
        ("10.0.0.0/8", "http://internal.example/", False),
        ("127.0.0.1", "http://127.0.0.1:9/", True),
        ("[fd00::/8]", "http://[fd12::1]/", True),
        ("[fd00::/8]:8080", "http://[fd12::1]/", False),
        ("[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", True),
    ],
)
def test_a_host_is_listed(allowed, url, is_listed):
    assert (egress.parse(allowed).forbids_host(target_of(url)) == "") is is_listed


def test_nothing_is_allowed_where_nothing_is_listed():
    why = Egress().forbids_host(target_of("https://api.example.com/"))

    assert why == "HEDDLE_HTTP_ALLOW does not list api.example.com, port 443"


PRIVATE = [
    "127.0.0.1",
    "127.255.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2001:10::1",
    "2002::1",
    "3fff::1",
    "192.88.99.1",
    "4000::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_whatever_its_name(address):
    why = egress.parse("*").forbids_address(Target("api.example.com", 443), address)

    assert "is not a public address, and HEDDLE_HTTP_ALLOW does not list its network" in why


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
def test_a_public_address_is_taken(address):
    assert is_public(ip_address(address))
    assert egress.parse("a.example").forbids_address(Target("a.example", 443), address) == ""


@pytest.mark.parametrize(
    ("allowed", "address", "is_allowed"),
    [
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "10.2.2.3", False),
        ("10.1.0.0/16:80", "10.1.2.3", False),
        ("10.1.0.0/16:443", "10.1.2.3", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("[fd00::/8]", "fd00::7", True),
        ("[::1]", "::1", True),
        ("[::1]", "127.0.0.1", False),
        ("169.254.169.254", "169.254.169.254", True),
    ],
)
def test_a_listed_network_may_be_reached(allowed, address, is_allowed):
    why = egress.parse(f"billing.internal, {allowed}").forbids_address(Target("billing.internal", 443), address)

    assert (why == "") is is_allowed


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://1.2.3.4.5/",
        "http://user@x.example/",
        "http://user:password@x.example/",
        "http://x.example@evil.example/",
        "http://@x.example/",
        "http://x.example:0/",
        "http://x.example:65536/",
        "http://x.example:8 0/",
        "http://x.example:/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[v1.x]/",
        "http:///x",
        "http://",
        "ftp://x.example/",
        "file:///etc/passwd",
        "http://x_.-.example/",
        "http://ü.example/",
        "http://x.example%2f.evil.example/",
        "http://*.example/",
        "http://..example/",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        target_of(url)


@pytest.mark.parametrize(
    "text",
    [
        "https://api.example.com",
        "api.example.com/path",
        "api.example.com:0",
        "api.example.com:65536",
        "api.example.com:https",
        "*.*.example.com",
        "api.*.com",
        "*api.example.com",
        "10.1.2.3/8",
        "10.0.0.0/33",
        "fd00::/8",
        "[fd00::/8",
        "1.2.3",
        "2130706433",
        "a..b",
        "a,",
        ",",
        "user@host",
    ],
)
def test_a_setting_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="is no host, pattern or network: expected such as"):
        egress.parse(text)
