"""What this machine can do at most, in plain Python: bare TLS 1.3 lanes, BLAKE3, write, fsync.

Files over some blocking sockets between two processes, every MiB hashed, every file fsynced. No
protocol, no catalog, no peers to know, no resume: what is missing from this to a transfer is what
photonic may cost. Files larger than a piece are shared among the lanes.

The processes are `python -m benchmarks.bare_lanes receive|send`; `bare_lanes` runs both.
"""

from __future__ import annotations

import datetime as dt
import os
import queue
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import blake3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.ends import Job, last_words, wait_for_exit
from benchmarks.meter import Meter, Taken
from simulations.ends import Failed

LANES = 2
_CHUNK = 1 << 20
_PIECE = 64 << 20
_BUFFERS = 8  # of each lane, between its socket and its writer
_HEAD = struct.Struct("!IQI")  # file, offset, length
_END = _HEAD.pack(0, 0, 0)
_READY, _DONE = b"ready\n", b"k"


def bare_lanes(job: Job, lanes: int = LANES) -> Taken:
    """Time the lanes from the moment when all are open until the last file is on the disk."""
    out, log = job.work / "out", job.work / "log.txt"
    out.mkdir(parents=True)
    module = (sys.executable, "-m", "benchmarks.bare_lanes")
    with log.open("ab") as errors:
        receiver = _start(errors, *job.taker.prefix, *module, "receive", job.source, out,
                          job.taker.address, lanes)  # fmt: skip
        try:
            assert receiver.stdout is not None
            port = receiver.stdout.readline().decode().strip()
            sender = _start(errors, *job.giver.prefix, *module, "send", job.source,
                            job.taker.address, port, lanes)  # fmt: skip
            try:
                return _timed(job, sender, receiver, log)
            finally:
                sender.kill()
                sender.communicate()
        finally:
            receiver.kill()
            receiver.communicate()


def _start(errors: IO[bytes], *words: object) -> subprocess.Popen[bytes]:
    command, pipe = [str(word) for word in words], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors)


def _timed(
    job: Job, sender: subprocess.Popen[bytes], receiver: subprocess.Popen[bytes], log: Path
) -> Taken:
    assert sender.stdin is not None and sender.stdout is not None
    if sender.stdout.readline() != _READY:
        raise Failed(last_words(log))
    before = job.wire()
    job.go()
    with Meter(giver=sender.pid, taker=receiver.pid) as meter:
        sender.stdin.write(_READY)
        sender.stdin.flush()
        for end in (sender, receiver):
            wait_for_exit(end, log, job.within_s)
    meter.taken.wire_bytes = job.wire() - before if job.wire_bytes else None
    return meter.taken


# --- the processes -------------------------------------------------------------------------------


def _names(source: Path) -> list[Path]:
    return sorted(path for path in source.iterdir() if path.is_file())


def _pieces(sizes: list[int]) -> Iterator[tuple[int, int, int]]:
    for index, size in enumerate(sizes):
        for offset in range(0, size, _PIECE):
            yield index, offset, min(_PIECE, size - offset)


class _Receiver:
    """The taking end: the names and sizes it reads from the source, the bytes from the lanes."""

    def __init__(self, source: Path, out: Path) -> None:
        files = _names(source)
        self._paths = [out / path.name for path in files]
        self._left = [path.stat().st_size for path in files]
        self._open: dict[int, int] = {}
        self._lock = threading.Lock()

    def _descriptor(self, index: int) -> int:
        with self._lock:
            if index not in self._open:
                self._open[index] = os.open(self._paths[index], os.O_WRONLY | os.O_CREAT)
            return self._open[index]

    def _written(self, index: int, size: int) -> None:
        with self._lock:
            self._left[index] -= size
            if self._left[index]:
                return
        os.fsync(self._open[index])
        os.close(self._open.pop(index))

    def lane(self, tls: ssl.SSLContext, raw: socket.socket) -> None:
        with tls.wrap_socket(raw, server_side=True) as lane:
            free, full = queue.Queue[bytearray](), queue.Queue[tuple[int, int, int, bytearray]]()
            for _ in range(_BUFFERS):
                free.put(bytearray(_CHUNK))
            # A lane that breaks leaves its writer waiting, which must not keep the process.
            writer = threading.Thread(target=self._write, args=(full, free), daemon=True)
            writer.start()
            head = bytearray(_HEAD.size)
            while True:
                _fill(lane, memoryview(head))
                index, offset, length = _HEAD.unpack(head)
                if not length:
                    break
                for start in range(offset, offset + length, _CHUNK):
                    buffer, size = free.get(), min(_CHUNK, offset + length - start)
                    _fill(lane, memoryview(buffer)[:size])
                    full.put((index, start, size, buffer))
            full.put((0, 0, 0, bytearray()))
            writer.join()
            lane.sendall(_DONE)

    def _write(
        self,
        full: queue.Queue[tuple[int, int, int, bytearray]],
        free: queue.Queue[bytearray],
    ) -> None:
        while (piece := full.get())[2]:
            index, offset, size, buffer = piece
            view = memoryview(buffer)[:size]
            blake3.blake3(view).digest()
            os.pwrite(self._descriptor(index), view, offset)
            self._written(index, size)
            free.put(buffer)

    @property
    def is_complete(self) -> bool:
        return not any(self._left)


def _fill(lane: ssl.SSLSocket, view: memoryview) -> None:
    done = 0
    while done < len(view):
        size = lane.recv_into(view[done:])
        if not size:
            raise ConnectionError("the lane ended early")
        done += size


def receive(source: Path, out: Path, address: str, lanes: int) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = out.with_name("lanes.pem")
    _write_certificate(pem)
    tls.load_cert_chain(pem)
    receiver = _Receiver(source, out)
    with socket.create_server((address, 0)) as listener:
        _tell(f"{listener.getsockname()[1]}\n".encode())
        _together(
            [
                threading.Thread(target=receiver.lane, args=(tls, listener.accept()[0]))
                for _ in range(lanes)
            ]
        )
    if not receiver.is_complete:
        raise SystemExit("some bytes never came")


def send(source: Path, address: str, port: int, lanes: int) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    raws = [socket.create_connection((address, port)) for _ in range(lanes)]
    sockets: queue.Queue[ssl.SSLSocket] = queue.Queue()
    _together(
        [threading.Thread(target=lambda raw=raw: sockets.put(tls.wrap_socket(raw))) for raw in raws]
    )
    files = _names(source)
    work: queue.Queue[tuple[int, int, int]] = queue.Queue()
    for piece in _pieces([path.stat().st_size for path in files]):
        work.put(piece)
    _tell(_READY)
    sys.stdin.buffer.readline()
    _together(
        [threading.Thread(target=_send, args=(sockets.get(), files, work)) for _ in range(lanes)]
    )


def _send(lane: ssl.SSLSocket, files: list[Path], work: queue.Queue[tuple[int, int, int]]) -> None:
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    while True:
        try:
            index, offset, length = work.get_nowait()
        except queue.Empty:
            break
        lane.sendall(_HEAD.pack(index, offset, length))
        with files[index].open("rb", buffering=0) as file:
            file.seek(offset)
            while length:
                size = file.readinto(view[: min(_CHUNK, length)])
                assert size, "the file became shorter"
                lane.sendall(view[:size])
                length -= size
    lane.sendall(_END)
    if lane.recv(1) != _DONE:
        raise ConnectionError("the lane ended early")


def _together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _tell(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare lanes")])
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def main(words: list[str]) -> None:
    if words[0] == "receive":
        receive(Path(words[1]), Path(words[2]), words[3], int(words[4]))
    else:
        send(Path(words[1]), words[2], int(words[3]), int(words[4]))


if __name__ == "__main__":
    main(sys.argv[1:])
