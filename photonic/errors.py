"""Every error that a user may see: what happened, a stable code, and what to do about it.

A class owns its `code`, its `exit_status` (CLI), its `http_status` (REST problem document) and its
`fix`. Exit statuses are banded by floor and never reused: 10 values, 20 catalog, 30 blobs,
40 peers, 60 ingest, 70 index, acts and albums, 80 libraries, 85 HTTP, 100 command line, 108 keys;
from 195 on, beyond what shells say of signals: placement, 205 eviction, 215 export, 225 simulator.
`tests/test_errors.py` proves that they are distinct and helpful, and that the docs list each.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class PhotonicError(Exception):
    """Base of every error a user may see."""

    code, exit_status, http_status = "internal", 1, 500
    fix = "Report this with the output of `photonic doctor`."

    @property
    def message(self) -> str:
        return str(self)


# --- floor 0: values -------------------------------------------------------------------------


class ConfigInvalid(PhotonicError):
    """Settings that cannot be used, all of their problems at once."""

    code, exit_status, http_status = "config.invalid", 10, 500
    fix = "Correct each setting that is named; `photonic node --help` lists them all."

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


class KeyDamaged(PhotonicError):
    """A private key file that is not one."""

    code, exit_status, http_status = "identity.key-damaged", 11, 500
    fix = "Restore the file from a backup, or move it away and join the library again."

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not hold a private key")


class PassphraseNeeded(PhotonicError):
    """Keys are under a passphrase, and nobody gave it."""

    code, exit_status, http_status = "keys.passphrase-needed", 108, 500
    fix = (
        "Start it at a terminal, or give the passphrase by `passphrase_command`, `passphrase_fd` or"
        " the systemd credential photonic-passphrase."
    )

    def __init__(self, reason: str = "nothing here can ask for it") -> None:
        super().__init__(f"this node's keys are under a passphrase: {reason}")


class PassphraseWrong(PhotonicError):
    """A passphrase that does not open the keys."""

    code, exit_status, http_status = "keys.passphrase-wrong", 109, 500
    fix = (
        "Give the passphrase that `photonic keys passphrase` was told, or showed, last. Nothing was"
        " changed. For a `keys/` folder from a backup it is the one of that time."
    )

    def __init__(self, path: str) -> None:
        super().__init__(f"this passphrase does not open {path}")


class KeyringUnusable(PhotonicError):
    """The system's keyring is locked, absent, unsafe, or does not keep what it should."""

    code, exit_status, http_status = "keys.keyring-unusable", 111, 500
    fix = (
        "Unlock the keyring (log in to the desktop session) and start photonic there. Without it"
        " give the passphrase that `--show` showed: at a terminal, by `passphrase_command`,"
        " `passphrase_fd` or the systemd credential photonic-passphrase."
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"the system's keyring: {reason}")


class KeysExposed(PhotonicError):
    """Others on this machine could read a key's file; they cannot any more."""

    code, exit_status, http_status = "keys.exposed", 110, 500
    fix = (
        "It is closed now. If somebody else uses this machine, that key may be known: revoke this"
        " node and join again with a new home folder."
    )


class HomeInUse(PhotonicError):
    """Another process has this home folder."""

    code, exit_status, http_status = "home.in-use", 12, 409
    fix = "Use the running node, or stop it first: only one process may write a home folder."

    def __init__(self, home: str, pid: int | None) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"{home} is in use by {owner}")


class FrameInvalid(PhotonicError):
    """Bytes from a peer that are no message of ours."""

    code, exit_status, http_status = "wire.frame-invalid", 13, 502
    fix = "Bring both nodes to the same version of photonic."


class HomeUnusable(PhotonicError):
    """The home folder cannot be read or written."""

    code, exit_status, http_status = "home.unusable", 14, 500
    fix = "Give photonic a folder that it may write, with --home or PHOTONIC_HOME."

    def __init__(self, home: str, reason: str) -> None:
        super().__init__(f"{home}: {reason}")


# --- floor 1: catalog ------------------------------------------------------------------------


class ChangeInvalid(PhotonicError):
    """A change that fails at the door: wrong id, wrong signature, or no change at all."""

    code, exit_status, http_status = "catalog.change-invalid", 20, 422
    fix = "Nothing was taken in. If it repeats, the peer named in `photonic doctor` is faulty."


class UpdateRefused(PhotonicError):
    """A document update that fails at the door; it is kept aside with its reason."""

    code, exit_status, http_status = "catalog.update-refused", 21, 422
    fix = "Nothing was taken in. See `photonic doctor` for the peer and the reason."


class EditInvalid(PhotonicError):
    """An edit whose field or value cannot be."""

    code, exit_status, http_status = "catalog.edit-invalid", 22, 422
    fix = "Correct the field or the value that is named."


class UndoRefused(PhotonicError):
    """A change that cannot be taken back, or of which nothing stands any more."""

    code, exit_status, http_status = "catalog.undo-refused", 28, 409
    fix = "See what was said of the photo with `photonic log PHOTO`, and edit it instead."


class PhotoUnknown(PhotonicError):
    """No photo has this id here."""

    code, exit_status, http_status = "catalog.photo-unknown", 23, 404
    fix = "List photos with `photonic ls`; a photo of another node appears after it has met one."

    def __init__(self, photo: str) -> None:
        super().__init__(f"there is no photo {photo}")


class JournalDamaged(PhotonicError):
    """A journal that is damaged again right after it was salvaged."""

    code, exit_status, http_status = "catalog.journal-damaged", 24, 500
    fix = "Replace the disk; what this node held comes back from any peer that has it."


class QueryInvalid(PhotonicError):
    """A filter that cannot be read."""

    code, exit_status, http_status = "catalog.query-invalid", 25, 400
    fix = "Correct the filter at the place that is named."

    def __init__(self, message: str, position: int | None = None, length: int = 0) -> None:
        """`position`, `length`: the characters of the query that are wrong, where known."""
        super().__init__(message)
        self.position, self.length = position, length


class RuleInvalid(PhotonicError):
    """A rule of placement that cannot be read."""

    code, exit_status, http_status = "placement.rule-invalid", 195, 422
    fix = (
        "Correct the rule at the place that is named; `photonic policy placement check FILE` reads"
        " rules without setting them. No rule was changed."
    )

    def __init__(
        self, message: str, position: int | None = None, length: int = 0, line: int | None = None
    ) -> None:
        """`position`, `length`: the characters that are wrong; `line`: of a file, from 1."""
        super().__init__(message)
        self.position, self.length, self.line = position, length, line


class IndexUnreadable(PhotonicError):
    """The index cannot be read just now: it is damaged, and is made again from the journal."""

    code, exit_status, http_status = "catalog.index-unreadable", 79, 503
    fix = "Ask again in a while; nothing is lost, for lists are made from the journal."


class NotAllowed(PhotonicError):
    """The library's roster does not allow this node to do that."""

    code, exit_status, http_status = "catalog.not-allowed", 26, 403
    fix = "Ask an admin of the library to give this node the scope that is named."


class JournalUnwritable(PhotonicError):
    """The journal cannot be written, for another reason than room."""

    code, exit_status, http_status = "catalog.journal-unwritable", 27, 500
    fix = "Check the disk and the rights of the home folder; nothing was taken in meanwhile."


class JournalNewer(PhotonicError):
    """A journal that a later version of photonic wrote."""

    code, exit_status, http_status = "catalog.journal-newer", 29, 500
    fix = "Update photonic on this machine; the journal was left as it is."

    def __init__(self, version: int) -> None:
        super().__init__(f"the catalog's journal is of format {version}")


# --- floor 2: blobs --------------------------------------------------------------------------


class BlobMissing(PhotonicError):
    """Bytes that this node does not hold."""

    code, exit_status, http_status = "blobs.missing", 30, 404
    fix = "Connect to a node that holds it (`photonic peers`); it is fetched by itself."

    def __init__(self, blob: bytes) -> None:
        super().__init__(f"this node does not hold {blob.hex()}")


class StoreFull(PhotonicError):
    """No room on the disk that holds the blobs."""

    code, exit_status, http_status = "blobs.store-full", 31, 507
    fix = (
        "Free space on the disk that is named, or raise `quota_bytes` if that is what bounds it;"
        " what waits is taken in by itself afterwards."
    )

    def __init__(self, path: str, need_bytes: int, free_bytes: int) -> None:
        self.path, self.need_bytes, self.free_bytes = path, need_bytes, free_bytes
        super().__init__(f"{path} needs {need_bytes:,} bytes, but only {free_bytes:,} are free")


class BlobCorrupt(PhotonicError):
    """Bytes that are not what their name says."""

    code, exit_status, http_status = "blobs.corrupt", 32, 502
    fix = "Nothing was stored under the wrong name; it is fetched again, from another peer."

    def __init__(self, blob: bytes, where: str = "") -> None:
        super().__init__(f"the bytes of {blob.hex()} are not what their name says {where}".strip())


class StoreBroken(PhotonicError):
    """The disk that holds the blobs refuses to read or write."""

    code, exit_status, http_status = "blobs.store-broken", 36, 500
    fix = "Look at the disk and its cable; blobs are fetched again by themselves when it works."


class BlobDamaged(BlobCorrupt):
    """A stored blob that is not what it was when it was stored."""

    code, exit_status, http_status = "blobs.damaged", 37, 500
    fix = (
        "It is fetched again by itself, the damaged parts alone, from a node that holds it; until"
        " then what is left is kept in `blobs/damaged`. If it happens again, look at the disk."
    )

    def __init__(self, blob: bytes, what: str) -> None:
        PhotonicError.__init__(self, f"{blob.hex()} is damaged on this node's disk: {what}")


class BlobUnreadable(PhotonicError):
    """A stored blob that the disk does not give; whether its bytes are right is not known."""

    code, exit_status, http_status = "blobs.unreadable", 38, 500
    fix = (
        "Look at the disk and its cable (`smartctl -a`, the system's log). Reading is tried again;"
        " what stays unreadable is fetched anew from a node that holds it."
    )

    def __init__(self, blob: bytes, reason: str) -> None:
        super().__init__(f"the disk does not give {blob.hex()}: {reason}")


class BlobPromised(PhotonicError):
    """A blob that this node promised others to keep for a while."""

    code, exit_status, http_status = "blobs.promised", 205, 409
    fix = "Wait until the promise ends; `photonic evict --dry-run` says what may go."

    def __init__(self, blob: bytes) -> None:
        super().__init__(f"another node relies on this one keeping {blob.hex()}")


class VerificationsFull(PhotonicError):
    """Too many verifications wait for their turn."""

    code, exit_status, http_status = "blobs.too-many-verifications", 39, 429
    fix = "Wait for one of them: `photonic verify --status` shows how far they are."


class BlobTooLarge(PhotonicError):
    """A file with more chunks than a chunk list may name."""

    code, exit_status, http_status = "blobs.too-large", 33, 413
    fix = "Split the file: photonic takes files of up to some 100 GB."

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"a blob of {size_bytes:,} bytes has too many chunks")


class CutterMissing(PhotonicError):
    """The compiled chunk cutter is not installed."""

    code, exit_status, http_status = "blobs.cutter-missing", 34, 500
    fix = "Install pyfastcdc from a wheel: its pure-Python stand-in is 200 times slower."


class LedgerDamaged(PhotonicError):
    """The list of held blobs cannot be read or written."""

    code, exit_status, http_status = "blobs.ledger-damaged", 35, 500
    fix = "Restart the node: the list is made again from the blobs, none of which is lost."


class StoreBusy(PhotonicError):
    """Another process of this node is at what was to be changed."""

    code, exit_status, http_status = "blobs.busy", 78, 503
    fix = "Wait a moment: it is tried again by itself. If it lasts, restart the node."


# --- floor 3: peers --------------------------------------------------------------------------


class PeerUnreachable(PhotonicError):
    """No address of the peer answered."""

    code, exit_status, http_status = "peers.unreachable", 40, 503
    fix = "Check that the other node runs and that one of its addresses can be reached from here."

    def __init__(self, message: str, reason: str = "") -> None:
        """`reason`: why, without whom; the message if it is not given."""
        super().__init__(message)
        self.reason = reason or message


class PeerShunned(PhotonicError):
    """A member whose words were refused again and again."""

    code, exit_status, http_status = "peers.shunned", 53, 502
    fix = (
        "Nothing of what was refused was taken in. Bring both nodes to the same version of"
        " photonic; if that does not help, look after that machine, and revoke it if it is not"
        " yours any more."
    )

    def __init__(self, name: str, pause_s: float) -> None:
        super().__init__(f"{name} sent what was refused again and again: cut for {pause_s:.0f} s")


class RelayRefused(PeerUnreachable):
    """A member that relays does not bring two nodes together, or not now."""

    code, exit_status, http_status = "peers.relay-refused", 51, 503
    fix = (
        "It is tried again by itself. See that both nodes are connected with the one that relays,"
        " and that `relay` is on there; if it is full, let another node relay, too."
    )


class PunchFailed(PeerUnreachable):
    """Two nodes behind NATs did not come to reach each other directly."""

    code, exit_status, http_status = "peers.punch-failed", 52, 503
    fix = (
        "Nothing is lost: the relay is used, and it is tried again. A NAT that changes ports never"
        " lets it pass; forward the ports of `photonic status` to one of the nodes instead."
    )


class StreamBroken(PhotonicError):
    """A stream that ended in the middle of something."""

    code, exit_status, http_status = "peers.stream-broken", 41, 503
    fix = "Nothing is lost: it goes on when the nodes meet again, which they try by themselves."


class CarrierDied(PhotonicError):
    """The process that moves files ended."""

    code, exit_status, http_status = "peers.carrier-died", 59, 503
    fix = "It is started again by itself, and transfers go on; `photonic doctor` says if not."


class CodeInvalid(PhotonicError):
    """Not an invitation code."""

    code, exit_status, http_status = "enrol.code-invalid", 42, 422
    fix = "Copy the whole line that `photonic invite` printed."


class CodeRefused(PhotonicError):
    """The inviting node does not take this code."""

    code, exit_status, http_status = "enrol.code-refused", 43, 403
    fix = "Ask for a new code with `photonic invite`: each works once and for a limited time."


class LibraryNotEmpty(PhotonicError):
    """This home already keeps another library."""

    code, exit_status, http_status = "enrol.library-not-empty", 44, 409
    fix = "Join from a new home folder: `photonic --home NEW join CODE`."


class TooManyAttempts(PhotonicError):
    """Too many wrong codes in a short time."""

    code, exit_status, http_status = "enrol.too-many-attempts", 45, 429
    fix = "Wait a minute and try again with the code as it was printed."


class InviterUnreachable(PhotonicError):
    """The inviting node does not answer, or does not speak with strangers (any more)."""

    code, exit_status, http_status = "enrol.inviter-unreachable", 48, 503
    fix = "See that it runs and can be reached from here; else ask for a new code there."


class AddressInvalid(PhotonicError):
    """Not a multiaddress that this node can listen on or dial."""

    code, exit_status, http_status = "peers.address-invalid", 46, 422
    fix = "Write it as /ip4/192.168.1.5/tcp/4310, or with /p2p/PEER-ID behind it for a peer."


class PortInUse(PhotonicError):
    """Somebody else listens there."""

    code, exit_status, http_status = "peers.port-in-use", 47, 409
    fix = "Choose another port, or 0 for any free one."


class LimitsInvalid(QueryInvalid):
    """A rate, a schedule or another limit of transfers that cannot be read."""

    code, exit_status, http_status = "peers.limits-invalid", 49, 422
    fix = "Write a rate as 2MB/s or full, a schedule as `08:00-22:00 2MB/s, otherwise full`."


class PauseInvalid(PhotonicError):
    """What is to be paused is nothing that can be."""

    code, exit_status, http_status = "peers.pause-invalid", 50, 422
    fix = "Pause the library, or a peer, an album or a shoot: `photonic pause --help`."


# --- members ---------------------------------------------------------------------------------


class CodeUsed(CodeRefused):
    """A code that another node has used."""

    code, exit_status, http_status = "enrol.code-used", 115, 409
    fix = "Each code lets one node in. Ask for a new code with `photonic invite`."


class CodeExpired(CodeRefused):
    """A code whose time is over."""

    code, exit_status, http_status = "enrol.code-expired", 116, 410
    fix = (
        "Ask for a new code with `photonic invite`; `--expires 7d` lets it work longer. If it is a"
        " new one: look whether this machine's clock is right."
    )


class CodeElsewhere(CodeRefused):
    """A code for another library than the one that the inviting node keeps."""

    code, exit_status, http_status = "enrol.code-of-another-library", 55, 409
    fix = "The machine that invited keeps another library by now; ask for a new code there."


class MemberUnknown(PhotonicError):
    """No member has this name or ID, or several have the name."""

    code, exit_status, http_status = "members.unknown", 56, 404
    fix = "`photonic members` lists the members with their IDs; name one by its whole ID."


class MemberUnchangeable(PhotonicError):
    """What cannot be done with a member as it is."""

    code, exit_status, http_status = "members.unchangeable", 117, 409
    fix = "See `photonic members`: what this member is, and what can be done with it."


class KitInvalid(PhotonicError):
    """Not a recovery kit, or one with a slip in it."""

    code, exit_status, http_status = "recovery.kit-invalid", 57, 422
    fix = "Type the line that is named again, as it is printed; each line has a check at its end."


class AuthorityAbsent(PhotonicError):
    """The library's authority key is not on this machine."""

    code, exit_status, http_status = "recovery.no-authority-key", 58, 404
    fix = "Use the printed recovery kit, or a machine where `photonic recovery-kit` works."


class RecoveryRefused(PhotonicError):
    """No member that is reached lets the holder of this recovery kit in."""

    code, exit_status, http_status = "recovery.refused", 118, 503
    fix = (
        "Start a surviving member and name its address: `photonic recover KIT --peer"
        " /ip4/HOST/tcp/PORT/p2p/ID`. If none is left: `photonic recover KIT --alone`."
    )


class ClockAway(PhotonicError):
    """Two machines differ about what time it is."""

    code, exit_status, http_status = "members.clock-away", 119, 409
    fix = (
        "Set the clock of the machine that is wrong (time from the network: `timedatectl set-ntp"
        " true`). Nothing is lost meanwhile; certificates allow for a day."
    )


class StampsAhead(PhotonicError):
    """A member stamps what it says with times that are still to come."""

    code, exit_status, http_status = "members.stamps-ahead", 54, 409
    fix = (
        "Nothing is lost: where it contradicts others, both stand under conflicts, and its word is"
        " shown until somebody settles that. Set its clock if it is wrong; if it is not, `photonic"
        " revoke` it with a cut before what it said."
    )


class CertificateEnds(PhotonicError):
    """The certificate of this node ends soon, and no admin has renewed it."""

    code, exit_status, http_status = "members.certificate-ends", 122, 403
    fix = "Connect to an admin's node, which renews it by itself; else join again with a new code."


# --- floor 4: ingest -------------------------------------------------------------------------


class PhotoUnreadable(PhotonicError):
    """A file that looks like a photo by its name but cannot be read as one."""

    code, exit_status, http_status = "ingest.unreadable", 60, 422
    fix = "Look at the file: it may be damaged. It was left where it is; nothing else is affected."


class FileEmpty(PhotonicError):
    """A file of zero bytes."""

    code, exit_status, http_status = "ingest.file-empty", 61, 422
    fix = "Copy it again from the card: a file of zero bytes holds no picture."


class FolderUnreadable(PhotonicError):
    """A folder that may not be listed, or a file that may not be read."""

    code, exit_status, http_status = "ingest.no-permission", 62, 403
    fix = "Give the user that runs photonic the right to read it, then import it again."


class FileUnsettled(PhotonicError):
    """A file that is still being written."""

    code, exit_status, http_status = "ingest.still-written", 63, 409
    fix = "Nothing to do: it is taken in as soon as it stands still."


class WorkerDied(PhotonicError):
    """The process that read a file died or took too long."""

    code, exit_status, http_status = "ingest.worker-died", 64, 422
    fix = "The file may be hostile or damaged; the original is kept as it is. Look at it."


class FileSetAside(PhotonicError):
    """A file that ended the processes that read it, twice: it is not looked into any more."""

    code, exit_status, http_status = "ingest.set-aside", 124, 422
    fix = (
        "The original is kept as it is, without preview; be careful with it in other programs."
        " The next version of photonic looks into it again; so does this one when the file is"
        " taken out of `suspects.json` in the home folder and the node started again."
    )


class FolderUnknown(PhotonicError):
    """There is no such folder."""

    code, exit_status, http_status = "ingest.folder-unknown", 65, 404
    fix = "Check the path; it is read on the machine where the node runs."


class PhotoDamaged(PhotonicError):
    """A picture that is broken inside; it was kept, with a preview of what can be seen."""

    code, exit_status, http_status = "ingest.damaged", 66, 422
    fix = "The original is kept as it is. Copy it again from the card, if the card still has it."


class FileVanished(PhotonicError):
    """A file that was there a moment ago."""

    code, exit_status, http_status = "ingest.file-vanished", 67, 404
    fix = "If a card or disk was pulled out, plug it in and import it again."


class SidecarInvalid(PhotonicError):
    """A sidecar that cannot be read as XMP; its bytes are kept with the photo."""

    code, exit_status, http_status = "ingest.sidecar-invalid", 68, 422
    fix = "The photo is imported without it. Write the sidecar again with the program it is from."


class WatchLimited(PhotonicError):
    """The machine cannot tell of changes in a folder, which is looked through at times instead."""

    code, exit_status, http_status = "ingest.watch-limited", 69, 503
    fix = "Raise fs.inotify.max_user_watches (sysctl); until then new photos are noticed later."


# --- floor 4: the tree and its exports -------------------------------------------------------


class TreeElsewhere(PhotonicError):
    """A folder for the tree where stored files can only be shown as second copies."""

    code, exit_status, http_status = "tree.elsewhere", 215, 409
    fix = "Set `tree` to a folder on the file system that the home folder is on."

    def __init__(self, folder: str, store: str) -> None:
        super().__init__(
            f"{folder} can have neither hard links nor shared blocks of what is in {store},"
            " and a second copy of every photo is never made"
        )


class TreeUnwritable(PhotonicError):
    """The folder of the tree cannot be made or written."""

    code, exit_status, http_status = "tree.unwritable", 216, 500
    fix = "Let this user write there, or set `tree` to another folder."

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"{folder}: {reason}")


class TreeTaken(PhotonicError):
    """Something else is where a folder or a file of the tree belongs."""

    code, exit_status, http_status = "tree.taken", 217, 409
    fix = "Move it elsewhere, or remove it; the photos then appear by themselves."

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is in the way of photos that belong there")


class ExporterOff(PhotonicError):
    """This node exports nothing over NFS."""

    code, exit_status, http_status = "nfs.off", 218, 409
    fix = "Set `tree` and `nfs` in photonic.yaml and start the node again: docs/nfs.md."


class ExportRuleInvalid(PhotonicError):
    """A rule for an export that cannot be used. What is exported stays as it is."""

    code, exit_status, http_status = "nfs.rule-invalid", 219, 422
    fix = "A rule is an address or a network, then ro or rw: `192.168.1.0/24 rw`."


class ExporterMissing(PhotonicError):
    """The NFS server that the settings ask for is not installed here."""

    code, exit_status, http_status = "nfs.missing", 220, 503
    fix = "`apt install nfs-ganesha nfs-ganesha-vfs` (or `nfs-kernel-server`), or set `nfs: off`."


class ExporterRights(PhotonicError):
    """This process may not run the NFS server as the settings ask for."""

    code, exit_status, http_status = "nfs.rights", 221, 500
    fix = "docs/nfs.md says which rights each way of exporting needs, and has a unit for systemd."


class ExporterSilent(PhotonicError):
    """The NFS server ended, or gives no listing."""

    code, exit_status, http_status = "nfs.silent", 222, 503
    fix = "It is started again by itself; its log is nfs/ganesha.log in the home folder."


# --- floor 5: the audit log ------------------------------------------------------------------


class AuditBroken(PhotonicError):
    """An audit log that was changed, or of which entries are missing."""

    code, exit_status, http_status = "audit.broken", 123, 409
    fix = (
        "Somebody wrote into the node's home folder, or its disk lost what was written: keep a copy"
        " of `audit/`, compare it with a backup, and revoke this node if you cannot explain it."
    )


# --- floor 5: exports ------------------------------------------------------------------------


class ExportInvalid(PhotonicError):
    """An exported catalog that is torn or was altered; the place is named."""

    code, exit_status, http_status = "export.invalid", 15, 422
    fix = "Copy the export again from where it was made, or make a new one; import that."


class ExportNewer(PhotonicError):
    """An exported catalog in a format that this version does not know."""

    code, exit_status, http_status = "export.newer", 16, 422
    fix = "Update photonic on this machine, then import again."


class ExportOfOther(PhotonicError):
    """An exported catalog of another library, where this one has photos already."""

    code, exit_status, http_status = "export.other-library", 17, 409
    fix = "Import it into a new home folder; with --merge, both libraries become one here."


class ExportUnwritable(PhotonicError):
    """The folder for an export cannot be written."""

    code, exit_status, http_status = "export.unwritable", 18, 507
    fix = "Choose a new folder on a disk with room; what was begun was taken away again."


class CatalogTasksFull(PhotonicError):
    """Too many exports and imports of the catalog wait already."""

    code, exit_status, http_status = "export.too-many-waiting", 19, 429
    fix = "Wait until one of those that were asked for has ended."


# --- floor 5: restoring ----------------------------------------------------------------------


class ArchiveUnusable(PhotonicError):
    """A folder from which no library can be restored."""

    code, exit_status, http_status = "restore.archive-unusable", 226, 422
    fix = "Name the home folder of a node: it has `library.json`, `libraries` and `blobs` in it."


class RestoreInterrupted(PhotonicError):
    """A library that was not restored to its end, in a home that a node would start from."""

    code, exit_status, http_status = "restore.interrupted", 227, 409
    fix = "Give `photonic restore` again with the same folder: it goes on with what is missing."


# --- floor 5: acts and albums ----------------------------------------------------------------


class AlbumUnknown(PhotonicError):
    """No album has this id or this name here."""

    code, exit_status, http_status = "albums.unknown", 70, 404
    fix = "List albums with `photonic albums`; one of another node appears after it has met one."


class AlbumAmbiguous(PhotonicError):
    """A name that several albums share."""

    code, exit_status, http_status = "albums.ambiguous", 71, 409
    fix = "Name the album by its id; `photonic albums` lists them."


class SaidUnknown(PhotonicError):
    """No change and no act has this id here."""

    code, exit_status, http_status = "history.unknown", 72, 404
    fix = "See `photonic log`: it tells the id of every change and of every act."


class SaidAmbiguous(PhotonicError):
    """The beginning of an id that several changes share."""

    code, exit_status, http_status = "history.ambiguous", 73, 409
    fix = "Give more of its digits; `photonic log --json` tells all of them."


class EditStopped(PhotonicError):
    """An edit of many photos that something stopped halfway."""

    code, exit_status, http_status = "edits.stopped", 74, 507
    fix = "Mend the cause and repeat the edit; `photonic undo ACT` takes back what was written."

    def __init__(self, written: int, act: bytes, cause: PhotonicError) -> None:
        told = cause.message.rstrip(".")
        super().__init__(f"{told}; {written:,} photos were changed before, in act {act.hex()}")
        self.fix = f"{cause.fix} Then repeat it, or take it back: `photonic undo {act.hex()[:12]}`."


class RemovalUnconfirmed(PhotonicError):
    """A removal of so many photos that the other nodes would hold it."""

    code, exit_status, http_status = "trash.unconfirmed", 75, 409
    fix = "If it is meant, say so: `photonic trash QUERY --confirm`, or `confirm` in the request."

    def __init__(self, count: int, before: int, most: int) -> None:
        """`before`: how many the same node removed within the last hour."""
        told = f"{count:,} photos are meant"
        if before:
            told += f" after {before:,} within the last hour"
        super().__init__(f"{told}; more than {most:,} must be confirmed")


class BufferStuck(PhotonicError):
    """The buffer fills up, and nothing may go: other nodes do not prove that they hold enough."""

    code, exit_status, http_status = "buffer.nothing-may-go", 206, 507
    fix = (
        "Connect to the central node or the archive (`photonic peers`), raise `quota_bytes`, or"
        " see with `photonic evict --dry-run` what is in the way. Nothing is dropped unproven."
    )


class OriginalAway(PhotonicError):
    """An original that is on other nodes, and did not come while somebody waited for it."""

    code, exit_status, http_status = "photos.original-away", 207, 503
    fix = "Connect to a node that holds it; it is fetched first as soon as one is there."


class RemovalsHeld(PhotonicError):
    """Another node removed many photos at once; they stay in sight here."""

    code, exit_status, http_status = "trash.removals-held", 76, 409
    fix = "If it is meant, `photonic trash confirm NODE`; if not, undo the act (`photonic log`)."

    def __init__(self, who: str, count: int, at: str) -> None:
        super().__init__(f"{who} put {count:,} photos into the trash, the last at {at}")


class PeerUnknown(PhotonicError):
    """No node has this name."""

    code, exit_status, http_status = "trash.node-unknown", 77, 404
    fix = "See the nodes and their names with `photonic peers`."


class LibraryNameInvalid(PhotonicError):
    """A name that no library on this machine can have."""

    code, exit_status, http_status = "libraries.name-invalid", 80, 422
    fix = "Use 1 to 32 letters a-z, digits and dashes, with a letter or digit at either end."


class LibraryUnknown(PhotonicError):
    """No library on this machine has that name."""

    code, exit_status, http_status = "libraries.unknown", 81, 404
    fix = "`photonic library list` lists them; `photonic library add NAME` makes one."


class LibraryExists(PhotonicError):
    """A library with that name is on this machine already."""

    code, exit_status, http_status = "libraries.exists", 82, 409
    fix = "Choose another name; `photonic library list` lists those that are there."


class LibraryNotServing(PhotonicError):
    """The daemon runs, and this library of it does not serve, now."""

    code, exit_status, http_status = "libraries.not-serving", 83, 503
    fix = "`photonic library list`, on its machine, says why; it is tried again by itself."


class TooManyLibraries(PhotonicError):
    """This machine keeps as many libraries as one daemon serves."""

    code, exit_status, http_status = "libraries.too-many", 84, 409
    fix = "Run a second daemon with another --home, or delete a library that nobody needs."


# --- floor 6: HTTP ---------------------------------------------------------------------------


class RequestInvalid(PhotonicError):
    """A request whose parameters or body cannot be read."""

    code, exit_status, http_status = "http.request-invalid", 85, 422
    fix = "Correct each parameter that is named; /api/v1/openapi.json describes them."


class NotFound(PhotonicError):
    """There is nothing at this address."""

    code, exit_status, http_status = "http.not-found", 86, 404
    fix = "See /api/v1/openapi.json for what there is."


class OriginRefused(PhotonicError):
    """A request from another site's page, or for another host's name."""

    code, exit_status, http_status = "http.origin-refused", 87, 403
    fix = "Open the page at the address that the node printed."


class MethodNotAllowed(PhotonicError):
    """This address does not take this method."""

    code, exit_status, http_status = "http.method-not-allowed", 88, 405
    fix = "Use one of the methods in the Allow header; see /api/v1/openapi.json."


class BodyTooLarge(PhotonicError):
    """A request body that is longer than any request needs."""

    code, exit_status, http_status = "http.body-too-large", 89, 413
    fix = "Send less at once; photos are imported from a folder, never through a request body."


class RequestTimeout(PhotonicError):
    """A request whose body did not arrive in time."""

    code, exit_status, http_status = "http.request-timeout", 90, 408
    fix = "Send the whole request at once."


class RangeUnsatisfiable(PhotonicError):
    """A range that begins behind the end of the file."""

    code, exit_status, http_status = "http.range-unsatisfiable", 91, 416
    fix = "Ask for bytes within the length that the Content-Range header tells."


class TooManyListeners(PhotonicError):
    """As many clients listen to the events as may."""

    code, exit_status, http_status = "http.too-many-listeners", 92, 503
    fix = "Close a page or a client that listens to this node, then try again."


class BindFailed(PhotonicError):
    """The address for HTTP cannot be listened on."""

    code, exit_status, http_status = "http.bind-failed", 93, 500
    fix = "Choose an address of this machine and a port above 1023, or 0 for any free one."


class BindExposed(PhotonicError):
    """Plain HTTP on an address that other machines reach: nobody would have to prove a thing."""

    code, exit_status, http_status = "http.bind-exposed", 94, 500
    fix = "Bind `http` to 127.0.0.1, and set `https` for other machines (docs/operations.md)."


class TokenNeeded(PhotonicError):
    """A request without a token that is good here: none, a wrong, an expired or a revoked one."""

    code, exit_status, http_status = "http.token-needed", 95, 401
    fix = "Make one with `photonic token create` on the node's machine, and send it as Bearer."


class ScopeMissing(PhotonicError):
    """A request with a good token that may not do this."""

    code, exit_status, http_status = "http.scope-missing", 96, 403
    fix = "Make another token with the scopes that are named: `photonic token create --scope`."


class TooManyWrongTokens(PhotonicError):
    """An address that showed wrong tokens again and again, and has to wait."""

    code, exit_status, http_status = "http.too-many-wrong-tokens", 97, 429
    fix = "Wait for a minute, then show the right token."


class TokenUnknown(PhotonicError):
    """There is no such token."""

    code, exit_status, http_status = "http.token-unknown", 98, 404
    fix = "See `photonic token list`; one that was revoked is not there any more."


class CertificateUnusable(PhotonicError):
    """The certificate for HTTPS, or its key, cannot be used."""

    code, exit_status, http_status = "http.certificate-unusable", 99, 500
    fix = "Correct `https_certificate` and `https_key`, or leave both away: the node makes its own."


# --- floor 7: command line -------------------------------------------------------------------


class NodeNotRunning(PhotonicError):
    """The command needs a running node."""

    code, exit_status, http_status = "cli.node-not-running", 100, 503
    fix = "Start it: `photonic --home HOME node`."

    def __init__(self, home: str, reason: str = "") -> None:
        super().__init__(f"no node runs for {home}" + (f" ({reason})" if reason else ""))
        self.fix = f"Start it: `photonic --home {shlex.quote(home)} node`."


class NoLibrary(PhotonicError):
    """The home folder keeps no library yet."""

    code, exit_status, http_status = "cli.no-library", 101, 409
    fix = "Make one with `photonic init --name NAME`, or join one with `photonic join CODE`."


class AlreadyInitialised(PhotonicError):
    """The home folder already keeps a library."""

    code, exit_status, http_status = "cli.already-initialised", 102, 409
    fix = "Use it as it is, or choose another --home."


class UsageInvalid(PhotonicError):
    """A command line that cannot be read."""

    code, exit_status, http_status = "cli.usage", 103, 400
    fix = "`photonic --help` lists the verbs, `photonic VERB --help` the options of one."


class ImportIncomplete(PhotonicError):
    """An import that ended, but could not take in every file."""

    code, exit_status, http_status = "cli.import-incomplete", 104, 422
    fix = "Look at each file that is listed; importing again takes in only what is missing."

    def __init__(self, folder: str, failed: int) -> None:
        files = "1 file was" if failed == 1 else f"{failed:,} files were"
        super().__init__(f"{files} not taken in from {folder}")


class RestoreIncomplete(PhotonicError):
    """A library that was restored but for what its archive had not, or had damaged."""

    code, exit_status, http_status = "cli.restore-incomplete", 228, 422
    fix = "All else is restored. Look for other disks and cards that may have what is lacking."


class ChecksFailed(PhotonicError):
    """`photonic doctor` found something to mend."""

    code, exit_status, http_status = "cli.checks-failed", 105, 500
    fix = "Follow the fix beside each check that failed."


class NodeAnswerInvalid(PhotonicError):
    """The running node answered with what this command does not understand."""

    code, exit_status, http_status = "cli.node-answer-invalid", 106, 502
    fix = "Restart the node, so that it runs the same version as this command; then see its log."


class ImportCancelled(PhotonicError):
    """The node forgot the import before it ended, for it was stopped or restarted."""

    code, exit_status, http_status = "cli.import-cancelled", 107, 503
    fix = "Run the same command again: it goes on with what is missing."


class PhotoAmbiguous(PhotonicError):
    """What names several photos where one is meant."""

    code, exit_status, http_status = "cli.photo-ambiguous", 112, 409
    fix = "Give more digits of the id, or a query that only one photo matches."

    def __init__(self, text: str, candidates: Sequence[str]) -> None:
        super().__init__("\n".join([f"{text!r} names several photos:", *candidates]))


class NotConfirmed(PhotonicError):
    """An act that changes many photos, and that nobody said yes to."""

    code, exit_status, http_status = "cli.not-confirmed", 113, 409
    fix = "Nothing was changed. Answer with y, or give --yes where nobody can be asked."


class VerificationFailed(PhotonicError):
    """Files that are not what they were, or that the disk does not give."""

    code, exit_status, http_status = "cli.verification-failed", 114, 422
    fix = (
        "Damaged files are repaired by themselves from other nodes: `photonic doctor` says when."
        " What the disk does not give is tried again; look at the disk."
    )


class PromiseBroken(PhotonicError):
    """A simulated history in which something did not hold that this program promises."""

    code, exit_status, http_status = "cli.promise-broken", 225, 422
    fix = "It is a fault of this program: report it with the scenario and the seed."


class NodeUnreachable(PhotonicError):
    """The node that --node names does not answer."""

    code, exit_status, http_status = "cli.node-unreachable", 120, 503
    fix = "Check the address, and that `https` is set on that node and let through its firewall."


class CertificateUnknown(PhotonicError):
    """The node that --node names shows a certificate that nobody vouches for."""

    code, exit_status, http_status = "cli.certificate-unknown", 121, 502
    fix = "Compare with what `photonic status` prints there; if it is the same, give --fingerprint."
