"""A router for tests that opens ports for programs: real SSDP, HTTP and SOAP, on loopback."""

from __future__ import annotations

import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

GROUP, SSDP_PORT = "239.255.255.250", 1_900
CONTROL = "/control"
_SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
_DEVICE = "urn:schemas-upnp-org:device"


def _device(kind: str, inside: str) -> str:
    return (
        f"<device><deviceType>{_DEVICE}:{kind}:1</deviceType><friendlyName>test</friendlyName>"
        f"<manufacturer>x</manufacturer><modelName>x</modelName><UDN>uuid:{kind}</UDN>"
        f"{inside}</device>"
    )


_CONNECTION = (
    f"<serviceList><service><serviceType>{_SERVICE}</serviceType>"
    f"<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>{CONTROL}</controlURL>"
    "<eventSubURL>/events</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList>"
)
_WAN = _device(
    "WANDevice", f"<deviceList>{_device('WANConnectionDevice', _CONNECTION)}</deviceList>"
)
DESCRIPTION = (
    '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">'
    "<specVersion><major>1</major><minor>0</minor></specVersion>"
    f"{_device('InternetGatewayDevice', f'<deviceList>{_WAN}</deviceList>')}</root>"
)


class FakeGateway:
    """What it was asked, and how it answers."""

    def __init__(self) -> None:
        self.outside = "9.9.9.9"  # never dialled
        self.open: dict[int, int] = {}  # port to the seconds it was asked for
        self.refuses: dict[str, tuple[int, str]] = {}  # action to error code and words
        self.only_permanent = False
        self.description = DESCRIPTION.encode()
        self.hangs = threading.Event()  # set: let those go that wait
        self.is_hanging = False
        self.changed = threading.Event()
        self.port = 0

    def act(self, action: str, body: str) -> tuple[int, str]:
        """Return an HTTP status and what is within the answer."""
        values = dict(re.findall(r"<(New\w+)>([^<]*)</", body))
        if action in self.refuses:
            return 500, _error(*self.refuses[action])
        match action:
            case "GetExternalIPAddress":
                return 200, f"<NewExternalIPAddress>{self.outside}</NewExternalIPAddress>"
            case "AddPortMapping":
                lease_s = int(values["NewLeaseDuration"])
                if self.only_permanent and lease_s:
                    return 500, _error(725, "OnlyPermanentLeasesSupported")
                assert values["NewProtocol"] == "TCP"
                assert values["NewInternalClient"] == "127.0.0.1"
                assert values["NewInternalPort"] == values["NewExternalPort"]
                self.open[int(values["NewExternalPort"])] = lease_s
            case "DeletePortMapping":
                self.open.pop(int(values["NewExternalPort"]), None)
        self.changed.set()
        return 200, ""


def _error(code: int, words: str) -> str:
    return (
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
        '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
        f"<errorCode>{code}</errorCode><errorDescription>{words}</errorDescription>"
        "</UPnPError></detail></s:Fault>"
    )


@contextmanager
def fake_gateway() -> Iterator[FakeGateway]:
    """Run a router until the end of the block."""
    gateway = FakeGateway()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is named
            pass

        def do_GET(self) -> None:
            if gateway.is_hanging:
                gateway.hangs.wait(30)
            self._answer(200, gateway.description)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            action = self.headers["SOAPAction"].strip('"').rpartition("#")[2]
            status, inside = 404, ""
            if self.path == CONTROL:
                status, inside = gateway.act(action, body)
            if status == 200:
                inside = f'<u:{action}Response xmlns:u="{_SERVICE}">{inside}</u:{action}Response>'
            envelope = (
                '<?xml version="1.0"?><s:Envelope'
                ' xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
                ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">'
                f"<s:Body>{inside}</s:Body></s:Envelope>"
            )
            self._answer(status, envelope.encode())

        def _answer(self, status: int, body: bytes) -> None:
            with suppress(OSError):  # whoever asked is gone
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    gateway.port = server.server_address[1]
    search = _listen()
    threads = [
        threading.Thread(target=server.serve_forever, daemon=True),
        threading.Thread(target=_answer_searches, args=(search, gateway.port), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield gateway
    finally:
        gateway.hangs.set()
        server.shutdown()
        server.server_close()
        search.close()


def _listen() -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    end.bind((GROUP, SSDP_PORT))
    group = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
    end.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    return end


def _answer_searches(end: socket.socket, port: int) -> None:
    with suppress(OSError):  # it was closed
        while True:
            data, asker = end.recvfrom(4_096)
            wanted = re.search(rb"\r\nST: *([^\r]+)", data, re.IGNORECASE)
            if wanted is None:
                continue
            kind = wanted.group(1).decode()
            answer = (
                f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {kind}\r\n"
                f"USN: uuid:test::{kind}\r\nEXT:\r\nSERVER: test UPnP/1.0 test\r\n"
                f"LOCATION: http://127.0.0.1:{port}/root.xml\r\n\r\n"
            )
            end.sendto(answer.encode(), asker)
