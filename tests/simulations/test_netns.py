"""The real network of a scenario: who reaches whom there, what is lost, and that nothing stays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from simulations.cables import has_netem, netem_words, rate_words
from simulations.impairments import Impairments, rules
from simulations.links import PRESETS
from simulations.netns import RealNetwork
from simulations.rooms import Room
from simulations.scenario import Scenario, parse

ROOT = Path(__file__).parents[2]
PORT = 4_000
PLAN = """
title = "two at home, one in a hotel"
lasts = "1s"
[nodes.yoda]
[nodes.luke]
[nodes.leia]
place = "hotel"
[places]
home = "studio-lan"
hotel = "studio-lan"
[links]
"home hotel" = "hotel-wifi"
"""
SERVER = """
import socket
listener = socket.create_server(("0.0.0.0", %d))
print("ready", flush=True)
while True:
    connection, (host, _) = listener.accept()
    with connection:
        connection.sendall(host.encode())
        while connection.recv(65536):
            pass
"""


@pytest.fixture
def scenario() -> Scenario:
    return parse(PLAN, "a plan")


@contextmanager
def serving(room: Room) -> Iterator[None]:
    """Tell whoever comes from where it comes."""
    command = [*room.prefix, sys.executable, "-c", SERVER % PORT]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == b"ready\n"
        yield
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def net(scenario: Scenario) -> Iterator[RealNetwork]:
    with (
        RealNetwork(scenario, "stranger") as net,
        serving(net.machines["yoda"].room),
        serving(net.machines["luke"].room),
        serving(net.machines["leia"].room),
    ):
        yield net


def seen_as(net: RealNetwork, source: str, target: str, address: str = "") -> str | None:
    """Return which address comes to `target` when `source` dials it, None if nothing does."""
    machines = net.machines
    try:
        with machines[source].room.connect(address or machines[target].address, PORT) as connection:
            connection.settimeout(2)
            return connection.recv(100).decode()
    except OSError:
        return None


@pytest.mark.root("ip", "tc", "nft")
def test_machines_of_a_place_see_each_other_and_a_nat_lets_out_and_nothing_in(
    net: RealNetwork,
) -> None:
    assert seen_as(net, "yoda", "luke") == net.machines["yoda"].address
    assert seen_as(net, "stranger", "luke") == net.machines["stranger"].address
    assert seen_as(net, "leia", "luke") == "10.200.0.2", "all of the hotel shows one address"
    assert seen_as(net, "luke", "leia") is None
    assert seen_as(net, "luke", "leia", "10.200.0.2") is None
    assert net.reaches("leia", "luke") and not net.reaches("luke", "leia")
    began_s = time.monotonic()
    seen_as(net, "leia", "yoda")
    assert time.monotonic() - began_s > 0.09, "two ways there and back, 25 ms each way, at least"


@pytest.mark.root("ip", "tc", "nft")
def test_a_cut_of_one_way_loses_what_one_says_and_a_partition_what_all_say(
    net: RealNetwork,
) -> None:
    with net.machines["yoda"].room.connect(net.machines["luke"].address, PORT) as open_before:
        open_before.settimeout(1)
        assert open_before.recv(100)
        net.cut("luke", "yoda", one_way=True)
        assert seen_as(net, "yoda", "luke") is None
        before = net.machines["luke"].room.sent_bytes()
        open_before.sendall(b"it comes, its acknowledgement does not")
        # What comes is answered, and the answer is lost.
        assert _waits(lambda: net.machines["luke"].room.sent_bytes() > before)
    assert net.is_open("yoda", "luke") and not net.is_open("luke", "yoda")
    assert seen_as(net, "stranger", "luke"), "others are not concerned"
    net.mend("luke", "yoda")
    assert seen_as(net, "yoda", "luke")
    net.part(("leia",), one_way=False)
    assert seen_as(net, "leia", "yoda") is None and seen_as(net, "yoda", "luke")
    net.heal()
    assert seen_as(net, "leia", "yoda")


def _waits(is_so: object, within_s: float = 2.0) -> bool:
    assert callable(is_so)
    until_s = time.monotonic() + within_s
    while not is_so() and time.monotonic() < until_s:
        select.select([], [], [], 0.01)
    return bool(is_so())


@pytest.mark.root("ip", "tc", "nft")
def test_a_machine_that_leaves_is_nowhere_and_has_another_address_where_it_arrives(
    net: RealNetwork,
) -> None:
    at_hotel = net.machines["leia"].address
    net.leave("leia")
    assert not net.reaches("leia", "yoda") and not net.is_open("yoda", "leia")
    with pytest.raises(OSError, match=r"nreachable"):
        net.machines["leia"].room.connect(net.machines["yoda"].address, PORT)
    net.arrive("leia", "home")
    assert net.machines["leia"].address != at_hotel
    assert seen_as(net, "yoda", "leia") and seen_as(net, "leia", "yoda")
    at_home = net.machines["leia"].address
    assert net.move("leia")
    assert seen_as(net, "yoda", "leia", at_home) is None
    assert seen_as(net, "yoda", "leia") == net.machines["yoda"].address


@pytest.mark.root("ip", "tc", "nft")
def test_a_clogged_machine_is_still_until_it_is_unclogged(net: RealNetwork) -> None:
    net.clog("luke")
    assert seen_as(net, "luke", "yoda") is None and seen_as(net, "yoda", "luke") is None
    net.unclog("luke")
    assert seen_as(net, "yoda", "luke")


@pytest.mark.root("ip", "tc", "nft")
def test_a_lossy_place_loses_its_share_of_the_packets() -> None:
    lossy = PLAN.replace('home = "studio-lan"', 'home = "bad-wifi"') + (
        "[presets.bad-wifi]\nlatency_ms = 0.3\nloss = 0.3\n"
        "up_bytes_s = 10000000\ndown_bytes_s = 10000000\n"
    )
    with RealNetwork(parse(lossy, "lossy")) as net:
        net.begin_losses()
        yoda, luke = net.machines["yoda"], net.machines["luke"]
        receiver = subprocess.Popen(
            [*luke.room.prefix, sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True
        )
        assert receiver.stdout is not None and receiver.stdout.readline() == "ready\n"
        yoda.room.run(sys.executable, "-c", SENDER, luke.address)
        came = int(receiver.communicate()[0])
    assert 600 < came < 800


RECEIVER = f"""
import socket
end = socket.socket(type=socket.SOCK_DGRAM)
end.bind(("0.0.0.0", {PORT}))
end.settimeout(30)
print("ready", flush=True)
count = 0
while end.recv(100) != b"over": count += 1
print(count)
"""
SENDER = f"""
import socket, sys, time
end = socket.socket(type=socket.SOCK_DGRAM)
for number, data in enumerate([b"datagram"] * 1000 + [b"over"] * 30):
    end.sendto(data, (sys.argv[1], {PORT}))
    time.sleep(0.005 if number % 10 == 9 else 0)
"""

# Makes a network with something running in it, tells of what pids, and then waits for ever.
CRASHES = f"""
import subprocess, sys
from simulations.netns import RealNetwork
from simulations.scenario import parse
with RealNetwork(parse({PLAN!r}, "a plan")) as net:
    rooms = [machine.room for machine in net.machines.values()]
    running = [subprocess.Popen([*room.prefix, "sleep", "600"]) for room in rooms]
    print(*(room.pid for room in rooms), *(one.pid for one in running), flush=True)
    sys.stdin.read()
"""


@pytest.mark.root("ip", "tc", "nft")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_network_whose_maker_was_killed(how: signal.Signals) -> None:
    before = _namespaces()
    maker = subprocess.Popen(
        [sys.executable, "-c", CRASHES],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert maker.stdout is not None
    pids = [int(word) for word in maker.stdout.readline().split()]
    assert len(pids) == 6 and _namespaces() > before
    watched = [os.pidfd_open(pid) for pid in pids]
    maker.send_signal(how)
    maker.wait(10)
    for descriptor in watched:
        assert select.select([descriptor], [], [], 10)[0], "it still runs"
        os.close(descriptor)
    assert _waits(lambda: _namespaces() <= before, 10)
    maker.communicate()


def _namespaces() -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):
            found.add(str(path.readlink()))
    return found


# --- what needs no root --------------------------------------------------------------------------


def test_a_partition_of_one_way_is_what_its_side_says() -> None:
    faults = Impairments(("a", "b", "c"))
    faults.part(("a",), one_way=True)
    assert faults.are_cut("a", "b") and faults.are_cut("a", "c")
    assert not faults.are_cut("b", "a") and not faults.are_cut("b", "c")
    faults.part(("b",))
    assert faults.are_cut("b", "a") and faults.are_cut("c", "b")
    faults.mend("a", "b")
    assert not faults.are_cut("a", "b") and not faults.are_cut("b", "a")
    assert faults.are_cut("c", "b")
    faults.clog("c")
    faults.heal()
    assert not any(faults.are_cut(one, other) for one in "abc" for other in "abc")


def test_rules_replace_what_stood_and_have_no_line_for_what_is_not_lost() -> None:
    text = rules({"10.0.0.2", "10.0.0.1"}, {"eth0": 0.2, "eth1": 0.0})
    assert text.startswith("table inet faults\ndelete table inet faults\n")
    assert "ip saddr { 10.0.0.1, 10.0.0.2 } drop" in text
    assert 'iifname "eth0" numgen random mod 10000 < 2000 drop' in text
    assert "eth1" not in text
    assert "drop" not in rules((), {"eth0": 0.0})


def test_a_cable_is_shaped_by_the_numbers_of_its_preset() -> None:
    wifi = PRESETS["hotel-wifi"]
    assert rate_words(wifi.up_bytes_s, wifi.latency_ms) == [
        "tbf", "rate", "5242880bit", "burst", "32000", "limit", "64000",
    ]  # fmt: skip
    assert netem_words(wifi) == ["netem", "delay", "25ms", "15ms", "duplicate", "0.100000%"]


@pytest.mark.root("tc")
def test_whether_the_kernel_delays_packets_is_found_out_by_trying() -> None:
    tried = subprocess.run(
        ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"],
        check=False,
        capture_output=True,
    )
    assert has_netem() is (tried.returncode == 0)
