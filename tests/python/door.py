"""Sends the real hosts of all APIs to a gateway on this machine, for every client library in this process.

Each client is configured as its documentation says, with the API's own host on port 443: only the resolver lies, and
only the gateway's own authority is trusted.
"""

import json
import os
import socket
import ssl

HOSTS = ("api.novastraxis.com", "api.cloudnexus.io", "cloudnx.in", "s3.cloudnx.in", "api.novapai.ai",
         "manage.portcullis.localhost")
AUTHORITY = os.environ["PORTCULLIS_CA"]


def _address(name):
    host, _, port = os.environ[name].rpartition(":")
    return host, int(port)


_DOORS = {443: _address("PORTCULLIS_HTTPS"), 80: _address("PORTCULLIS_HTTP")}
_resolve = socket.getaddrinfo


def _to_the_gateway(host, port, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    if name in HOSTS or name.endswith(".s3.cloudnx.in"):
        return _resolve(*_DOORS[int(port)], *rest, **more)
    if name not in ("127.0.0.1", "localhost"):
        raise socket.gaierror(socket.EAI_NONAME, f"a test asks for {name}, which is no API of the gateway")
    return _resolve(host, port, *rest, **more)


socket.getaddrinfo = _to_the_gateway


def trust():
    """A TLS context that trusts the gateway's authority and nobody else."""
    return ssl.create_default_context(cafile=AUTHORITY)


def refused(kind, act, *given, **named):
    """The exception of this kind that the call must end in."""
    try:
        answer = act(*given, **named)
    except kind as refusal:
        return refusal
    raise AssertionError(f"{act} was answered with {answer!r} instead of {kind.__name__}")


def tell(**found):
    """What the Rust side goes on with: one line of JSON."""
    print(json.dumps(found))
