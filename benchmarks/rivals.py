"""Others doing the same job on the same files: rsync, rsync over ssh, git-annex.

Each measures from "go" until every file is there. Programs that are not installed are left out, and
said to be.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ends import Job, free_port, process, wait_for_exit, wait_for_port
from benchmarks.meter import Meter, Taken
from simulations.ends import LeftOut

_SSHD = ("/usr/sbin/sshd", "/usr/local/sbin/sshd")
_SSHD_EMPTY = Path("/run/sshd")  # it starts only where this is, which its unit makes elsewhere


def rsync_daemon(job: Job, *options: str) -> Taken:
    """Time `rsync --daemon`: plaintext, not verified, and not fsynced but with `--fsync`."""
    _needs("rsync")
    if os.geteuid() == 0:
        _SSHD_EMPTY.mkdir(mode=0o755, exist_ok=True)
    job.work.mkdir(parents=True)
    port, config, log = free_port(), job.work / "rsyncd.conf", job.work / "log.txt"
    config.write_text(
        f"port = {port}\naddress = {job.giver.address}\nuse chroot = no\n"
        f"[photos]\npath = {job.source.absolute()}\nread only = yes\n"
    )
    command = ("rsync", "--daemon", "--no-detach", f"--config={config}")
    with process(job.giver, *command, log=log) as server:
        wait_for_port(job.giver, port, log, server)
        return _pull(job, server.pid, options, f"rsync://{job.giver.address}:{port}/photos/")


def rsync_daemon_fsync(job: Job) -> Taken:
    """Time `rsync --daemon` where it is as durable as the others: with `--fsync`."""
    _needs("rsync")
    options = subprocess.run(["rsync", "--help"], check=True, capture_output=True, text=True).stdout
    if "--fsync" not in options:
        raise LeftOut("this rsync has no --fsync")
    return rsync_daemon(job, "--fsync")


def rsync_ssh(job: Job) -> Taken:
    """Time rsync over ssh: encrypted; the ciphers are those that the two agree on by themselves."""
    _needs("rsync", "ssh", "ssh-keygen")
    program = shutil.which("sshd") or next(filter(os.path.exists, _SSHD), None)
    if program is None:
        raise LeftOut("sshd is not installed")
    job.work.mkdir(parents=True)
    port, config, log = free_port(), job.work / "sshd_config", job.work / "log.txt"
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(job.work / name)]
        subprocess.run(key, check=True)
    config.write_text(
        f"Port {port}\nListenAddress {job.giver.address}\nHostKey {job.work / 'host'}\n"
        f"AuthorizedKeysFile {job.work / 'user.pub'}\nStrictModes no\nPidFile none\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    options = f"-p {port} -F none -i {job.work / 'user'} -o BatchMode=yes -o LogLevel=ERROR"
    options += " -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    with process(job.giver, program, "-D", "-e", "-f", str(config), log=log) as server:
        wait_for_port(job.giver, port, log, server)
        source = f"{getpass.getuser()}@{job.giver.address}:{job.source.absolute()}/"
        return _pull(job, server.pid, ("-e", f"ssh {options}"), source)


def _pull(job: Job, giver_pid: int, options: Sequence[str], source: str) -> Taken:
    """Let rsync fetch: whole files, or the difference where the other end has the old ones."""
    command = [*job.taker.prefix, "rsync", "-a", *options, source, f"{job.work}/out/"]
    log = job.work / "log.txt"
    if job.change is not None:
        subprocess.run(command, check=True)
        job.change()
    else:
        command.insert(-2, "--whole-file")
    before = job.wire()
    job.go()
    with log.open("ab") as output, Meter(giver=giver_pid) as meter:
        client = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            meter.add("taker", client.pid)
            wait_for_exit(client, log, job.within_s)
        except BaseException:
            client.kill()
            raise
    client.wait()
    meter.taken.wire_bytes = job.wire() - before if job.wire_bytes else None
    return meter.taken


def git_annex(job: Job) -> Taken:
    """Time `git annex get` from a repository on the same machine: a copy, without a network."""
    _needs("git", "git-annex")
    if job.giver.prefix or job.change is not None:
        raise LeftOut("it copies between folders here, so there is no wire to measure")
    with _annex(job.work) as environment:
        log = job.work / "log.txt"

        def git(place: str, *words: str) -> None:
            with log.open("ab") as output:
                subprocess.run(
                    ["git", *words], cwd=job.work / place, check=True, env=environment,
                    stdout=output, stderr=output,
                )  # fmt: skip

        git(".", "init", "-q", "a")
        git("a", "annex", "init", "-q", "a")
        shutil.copytree(job.source, job.work / "a" / "p")
        git("a", "annex", "add", "-q", "-J2", "p")
        git("a", "commit", "-qm", "photos")
        git(".", "clone", "-q", "a", "out")
        git("out", "annex", "init", "-q", "b")
        job.go()
        with log.open("ab") as output, Meter() as meter:
            getting = subprocess.Popen(
                ["git", "annex", "get", "-q", "-J2", "p"], cwd=job.work / "out", env=environment,
                stdout=output, stderr=output,
            )  # fmt: skip
            try:
                meter.add("taker", getting.pid)
                wait_for_exit(getting, log, job.within_s)
            except BaseException:
                getting.kill()
                raise
        getting.wait()
        meter.taken.note = "both ends are one process, and no network"
        return meter.taken


@contextmanager
def _annex(work: Path) -> Iterator[dict[str, str]]:
    """Give a folder where git knows nothing of its user, and leave one that can be removed."""
    work.mkdir(parents=True)
    names = {f"GIT_{who}_{what}": "a@b.invalid" for who in ("AUTHOR", "COMMITTER")
             for what in ("NAME", "EMAIL")}  # fmt: skip
    try:
        yield os.environ | names | {"HOME": str(work), "GIT_CONFIG_GLOBAL": "/dev/null"}
    finally:
        for folder, _, _ in os.walk(work):  # annexed objects are write-protected, folders too
            Path(folder).chmod(0o700)


def _needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise LeftOut(f"{program} is not installed")
