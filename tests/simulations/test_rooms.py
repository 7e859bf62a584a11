"""Links between network namespaces are as bad as they say, and nothing is left of them."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.meter import tree
from simulations.delay import Cycle, Line
from simulations.ends import LeftOut
from simulations.rooms import Joined, Link, Room, check_rooms, joined, lan, unplug

PORT = 4_000
SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    connection = listener.accept()[0]
    done = 0
    while data := connection.recv(1 << 20): done += len(data)
    connection.sendall(str(done).encode()); connection.close()
"""

# Counts the datagrams that come, until one says that there are no more.
RECEIVER = """
import socket, sys
end = socket.socket(type=socket.SOCK_DGRAM)
end.setsockopt(socket.SOL_SOCKET, 33, 8_000_000)  # SO_RCVBUFFORCE: else a busy machine loses
end.bind((sys.argv[1], int(sys.argv[2])))
end.settimeout(30)
print("ready", flush=True)
count = 0
while end.recv(100) != b"over": count += 1
print(count)
"""
# Few at a time: a device has a queue of some hundred, and what it loses is not the link's loss.
SENDER = """
import socket, sys, time
end = socket.socket(type=socket.SOCK_DGRAM)
for number, data in enumerate([b"datagram"] * 1000 + [b"over"] * 30):
    end.sendto(data, (sys.argv[1], int(sys.argv[2])))
    time.sleep(0.005 if number % 10 == 9 else 0)
"""


class Server:
    """Counts what it is sent, and says how much that was at the end."""

    def __init__(self, room: Room, address: str) -> None:
        command = [*room.prefix, sys.executable, "-c", SERVER, address, str(PORT)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def send(giver: Room, address: str, size_bytes: int, port: int = PORT) -> float:
    """Send so much and return the seconds until the other end says that it has it."""
    with giver.connect(address, port) as connection:
        connection.settimeout(30)
        began_s = time.monotonic()
        connection.sendall(bytes(size_bytes))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == str(size_bytes).encode()
        return time.monotonic() - began_s


@pytest.fixture(params=[0.0, 2.0])
def link(request: pytest.FixtureRequest) -> Iterator[tuple[Link, Joined]]:
    link = Link("it", 80, 60, loss_percent=request.param)
    with joined(link) as ends, closing(Server(ends.taker, ends.taker.address)):
        yield link, ends


@pytest.mark.root("ip", "nft")
def test_a_link_has_its_delay_and_brings_everything(link: tuple[Link, Joined]) -> None:
    _, ends = link
    began_s = time.monotonic()
    ends.giver.connect(ends.taker.address, PORT).close()
    assert 0.055 < time.monotonic() - began_s < 1.5  # a lost first packet is sent again after 1 s
    before = ends.wire_bytes()
    send(ends.giver, ends.taker.address, 5_000_000)
    assert 5_000_000 < ends.wire_bytes() - before < 7_000_000


@pytest.mark.root("ip", "nft")
def test_a_link_carries_no_more_than_its_rate_and_not_much_less() -> None:
    with joined(Link("it", 160, 2)) as ends, closing(Server(ends.taker, ends.taker.address)):
        seconds = send(ends.giver, ends.taker.address, 20_000_000)
    assert 0.9 < seconds < 4


@pytest.mark.root("ip", "nft")
def test_a_link_loses_what_it_is_to_lose_and_no_more() -> None:
    with joined(Link("it", 80, 2, loss_percent=30)) as ends:
        receiving = subprocess.Popen(
            [*ends.taker.prefix, sys.executable, "-c", RECEIVER, ends.taker.address, str(PORT)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert receiving.stdout is not None
        receiving.stdout.readline()
        ends.giver.run(sys.executable, "-c", SENDER, ends.taker.address, str(PORT))
        came = int(receiving.communicate()[0])
    assert 600 < came < 800


@pytest.mark.root("ip", "nft")
def test_a_link_is_down_after_its_time_and_up_again() -> None:
    link = Link("it", 80, 2, down_s=0.6, every_s=1.0)
    with joined(link) as ends, closing(Server(ends.taker, ends.taker.address)):
        with ends.giver.connect(ends.taker.address, PORT) as connection:
            connection.settimeout(30)
            ends.restart()
            began_s, sent = time.monotonic(), 0
            while time.monotonic() - began_s < 0.9:  # beyond its time up
                if select.select([], [connection], [], 0.05)[1]:
                    sent += connection.send(bytes(10_000))
            connection.shutdown(socket.SHUT_WR)
            assert int(connection.recv(100)) == sent
            seconds = time.monotonic() - began_s
        assert seconds > 1.0, "the end came through while the link was down"


@pytest.mark.root("ip", "nft")
def test_rooms_on_a_switch_reach_each_other_until_one_is_unplugged() -> None:
    with lan(2) as (one, other), closing(Server(other, other.address)):
        before = one.sent_bytes()
        send(one, other.address, 300_000)
        assert 300_000 < one.sent_bytes() - before < 400_000
        unplug(other)
        with pytest.raises(OSError, match="timed out"):
            one.connect(other.address, PORT)


@pytest.mark.root("ip", "nft")
def test_what_listens_on_a_rooms_loopback_can_be_reached_from_here() -> None:
    with Room() as room, closing(Server(room, "127.0.0.1")):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", PORT), 1)
        port = room.reach(PORT)
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"12345")
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b"5"


@pytest.mark.root("ip", "nft")
def test_nothing_is_left_when_a_room_ends() -> None:
    with joined(Link("it", 80, 2)) as ends:
        pids = [ends.giver.pid, ends.taker.pid]
        assert len(tree(os.getpid())) > 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_rooms_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    with pytest.raises(LeftOut, match="root"):
        check_rooms()
    monkeypatch.setattr("shutil.which", lambda program: None)
    with pytest.raises(LeftOut, match="needs unshare"):
        check_rooms()


def test_a_link_begins_up_and_is_down_at_the_end_of_each_turn() -> None:
    cycle = Cycle(down_s=20, every_s=60)
    assert cycle.is_up(0) and cycle.is_up(55)
    cycle.began_s = 100.0
    assert [cycle.is_up(100 + s) for s in (0, 39, 41, 59, 60, 99, 101)] == [
        True, True, False, False, True, True, False,
    ]  # fmt: skip


def test_a_line_gives_each_packet_after_its_delay_in_order_and_none_while_down() -> None:
    ends = [socket.socketpair(type=socket.SOCK_DGRAM) for _ in range(2)]
    (outside, source), (target, inside) = ends
    for one in (source, inside):
        one.setblocking(False)
    line = Line(source.fileno(), target.fileno(), 0.05)
    outside.send(b"first")
    line.read(1.0, is_up=True)
    outside.send(b"second")
    line.read(1.01, is_up=True)
    line.write(1.04, is_up=True)
    with pytest.raises(BlockingIOError):
        inside.recv(100)
    line.write(1.055, is_up=True)
    assert inside.recv(100) == b"first" and line.due_s == pytest.approx(1.06)
    line.write(1.06, is_up=False)
    outside.send(b"third")
    line.read(1.07, is_up=False)
    line.write(2.0, is_up=True)
    with pytest.raises(BlockingIOError):
        inside.recv(100)
    for pair in ends:
        for one in pair:
            one.close()


@pytest.mark.root("ip", "nft")
def test_opening_a_connection_in_a_room_leaves_our_threads_where_they_are() -> None:
    here, seen = Path("/proc/self/ns/net").readlink(), list[Path]()
    with Room() as room:
        with pytest.raises(OSError, match="refused"):
            room.connect("127.0.0.1", PORT)
        look = Path("/proc/thread-self/ns/net")
        thread = threading.Thread(target=lambda: seen.append(look.readlink()))
        thread.start()
        thread.join()
        assert seen == [look.readlink()] == [here]
        assert Path(f"/proc/{room.pid}/ns/net").readlink() != here
