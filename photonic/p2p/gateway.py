"""Asks the router at home to let others in: a program of its own, run for each question.

`python -m photonic.p2p.gateway QUESTION`, both question and answer JSON. UPnP IGD is spoken by
miniupnpc, whose C reads what anybody on the network answers: so it is never in the daemon, which
neither waits for it nor dies of it; and beside the network it has given up all that it could do.
"""

from __future__ import annotations

import sys

import miniupnpc
import msgspec

from photonic.jail.confinement import confine
from photonic.p2p.gateway_messages import Answer, Question

_PROTOCOL = "TCP"
_WORDS_MAX = 500  # that a router says
_LEASE_REFUSED = "OnlyPermanentLeasesSupported"


def ask(question: Question) -> Answer:
    """Look for a gateway and have it do what is asked. Blocking, for some seconds."""
    gateway = miniupnpc.UPnP(multicastif=question.interface or None, discoverdelay=question.wait_ms)
    try:
        gateway.discover()
        url = gateway.selectigd()
    except Exception as error:  # noqa: BLE001 - that is what it raises
        return Answer(reasons={"": str(error)[:_WORDS_MAX]})
    done, reasons = [], dict[str, str]()
    for port in question.ports:
        try:
            if question.closes:
                gateway.deleteportmapping(port, _PROTOCOL)
            else:
                _open(gateway, port, question.lease_s)
        except Exception as error:  # noqa: BLE001 - that is what it raises
            reasons[str(port)] = str(error)[:_WORDS_MAX]
        else:
            done.append(port)
    try:
        outside = gateway.externalipaddress() or ""
    except Exception as error:  # noqa: BLE001 - that is what it raises
        outside, reasons[""] = "", str(error)[:_WORDS_MAX]
    return Answer(str(url)[:_WORDS_MAX], outside[:_WORDS_MAX], tuple(done), reasons)


def _open(gateway: miniupnpc.UPnP, port: int, lease_s: int) -> None:
    """Open one port, for a time if the gateway knows of times. Raises Exception."""
    words = (port, _PROTOCOL, gateway.lanaddr, port, "photonic", "")
    try:
        gateway.addportmapping(*words, lease_s)
    except Exception as error:
        if _LEASE_REFUSED not in str(error):
            raise
        gateway.addportmapping(*words, 0)


def main() -> None:
    """Answer the question in the first argument."""
    confine([], speaks=True)
    question = msgspec.json.decode(sys.argv[1], type=Question)
    sys.stdout.buffer.write(msgspec.json.encode(ask(question)))


if __name__ == "__main__":
    main()
