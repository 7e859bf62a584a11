"""A filter of system calls: no network, no new process, nobody else's memory, no file changed.

A few lines of classic BPF, which the kernel takes from any process that gave up new privileges
(prctl; Linux 3.17 and newer). A list of what is refused and not of what is allowed: decoders are
C and C++ of many hands, which a list of allowed calls would break with their next release. What is
refused fails with EPERM, so that a library can say so. It binds threads that are made later, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENT_AT = 0, 4, 16
_X32 = 0x40000000  # the numbers of a second table of calls that x86-64 has
_NEW_THREAD = 0x00010000  # a flag of clone: a thread and no process

_instruction = struct.Struct("=HBBI")

_NETWORK = "socket socketpair bind listen accept accept4 connect sendto sendmsg sendmmsg"
_PROCESSES = (
    "fork vfork execve execveat kill tkill rt_sigqueueinfo rt_tgsigqueueinfo ptrace kcmp"
    " process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal"
)
_KERNEL = (
    "unshare setns mount umount2 pivot_root chroot bpf perf_event_open userfaultfd keyctl"
    " add_key request_key io_uring_setup open_by_handle_at init_module finit_module kexec_load"
)
_FILES = (
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat"
    " setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr truncate creat"
    " unlink unlinkat rename renameat renameat2 rmdir mkdir mkdirat link linkat symlink symlinkat"
    " mknod mknodat"
)
REFUSED = tuple(" ".join((_NETWORK, _PROCESSES, _KERNEL, _FILES)).split())
_SPEAKING = frozenset(_NETWORK.split())

_SHARED = {  # newer calls have one number everywhere
    "pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435,
    "pidfd_getfd": 438, "fchmodat2": 452,
}  # fmt: skip
_X86_64 = _SHARED | {
    "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49,
    "listen": 50, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
    "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
    "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
    "ptrace": 101, "rt_sigqueueinfo": 129, "utime": 132, "mknod": 133, "pivot_root": 155,
    "chroot": 161, "mount": 165, "umount2": 166, "init_module": 175, "setxattr": 188,
    "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
    "fremovexattr": 199, "tkill": 200, "utimes": 235, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "mkdirat": 258, "mknodat": 259, "fchownat": 260,
    "futimesat": 261, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266,
    "fchmodat": 268, "unshare": 272, "utimensat": 280, "accept4": 288, "rt_tgsigqueueinfo": 297,
    "perf_event_open": 298, "open_by_handle_at": 304, "sendmmsg": 307, "setns": 308,
    "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
    "renameat2": 316, "bpf": 321, "execveat": 322, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = _SHARED | {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15,
    "fremovexattr": 16, "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36,
    "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45,
    "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "utimensat": 88,
    "unshare": 97, "kexec_load": 104, "init_module": 105, "ptrace": 117, "kill": 129, "tkill": 130,
    "rt_sigqueueinfo": 138, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201,
    "accept": 202, "connect": 203, "sendto": 206, "sendmsg": 211, "add_key": 217,
    "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221, "rt_tgsigqueueinfo": 240,
    "perf_event_open": 241, "accept4": 242, "open_by_handle_at": 265, "setns": 268,
    "sendmmsg": 269, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "finit_module": 273, "renameat2": 276, "bpf": 280, "execveat": 281, "userfaultfd": 282,
}  # fmt: skip
TABLES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def filter_for(machine: str, *, speaks: bool = False) -> bytes:
    """Return the filter for an architecture. Raises OSError for one without a table.

    `speaks`: the network is not refused.
    """
    if machine not in TABLES:
        raise OSError(f"there is no filter of system calls for {machine}")
    architecture, numbers = TABLES[machine]
    refuse = _step(_RETURN, _ERROR | errno.EPERM)
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [_step(_JUMP_AT_LEAST, _X32, 0, 1), refuse]
    # Where clone3 is missing the C library takes clone, whose flags a filter can read.
    steps += [
        _step(_JUMP_EQUAL, numbers["clone3"], 0, 1),
        _step(_RETURN, _ERROR | errno.ENOSYS),
    ]
    for name in REFUSED:
        if name in numbers and not (speaks and name in _SPEAKING):
            steps += [_step(_JUMP_EQUAL, numbers[name], 0, 1), refuse]
    steps += [
        _step(_JUMP_EQUAL, numbers["clone"], 0, 3),
        _step(_LOAD, _ARGUMENT_AT),
        _step(_JUMP_BITS, _NEW_THREAD, 1, 0),
        refuse,
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


def restrict(*, speaks: bool = False) -> None:
    """Put this process under the filter, for ever. Raises OSError. Needs no_new_privs."""
    code = filter_for(platform.machine(), speaks=speaks)
    program = _Program(len(code) // _instruction.size, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def _step(code: int, value: int, is_true: int = 0, is_false: int = 0) -> bytes:
    return _instruction.pack(code, is_true, is_false, value)
