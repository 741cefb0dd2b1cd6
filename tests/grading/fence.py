"""What keeps a submission from harming others: limits, and namespaces where Linux allows them.

Everything in here may fail without a word: what a system does not allow is not there.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

MEMORY = 12 * 2**30  # bytes of addresses; PyTorch alone takes 3
LARGEST_FILE = 200 * 2**20
PROCESSOR_SECONDS = 120  # ends what a submission leaves running behind

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NEW_USER, NEW_MOUNTS, NEW_PROCESSES, NEW_NETWORK = 0x10000000, 0x20000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1


def libc():
    return ctypes.CDLL(None, use_errno=True)


def limit_resources():
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"AS": MEMORY, "FSIZE": LARGEST_FILE, "CORE": 0, "CPU": PROCESSOR_SECONDS}
    for kind, most in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most))


def adopt_orphans():
    """From now on what a child leaves running, even in a session of its own, becomes our child."""
    libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children():
    """Ends all children, and theirs, which become ours."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    for _ in range(1000):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def close_off(space, hidden):
    """This process goes on in namespaces of its own, where the system allows it.

    It sees no other processes and no network; every file is read-only but those in `space` and in
    an empty folder of temporary files; the folder `hidden` is empty. A guard stays behind, whose
    end is the end of all.
    """
    user, group = os.getuid(), os.getgid()
    c = libc()
    flags = NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK
    if c.unshare(flags | NEW_USER):
        return
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with contextlib.suppress(OSError):
            Path(f"/proc/self/{name}").write_text(line)
    go_on_in_child(c)  # the first process of the new namespace, which outlives signals
    with contextlib.suppress(OSError):
        shut_files(c, space, hidden)
    go_on_in_child(c)


def go_on_in_child(c):
    """Forks; the parent waits, and ends as its child does."""
    child = os.fork()
    if not child:
        c.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)  # as a shell tells of a signal


def shut_files(c, space, hidden):
    def mount(source, target, kind, flags, data=None):
        texts = [os.fsencode(text) if text else None for text in (source, target, kind, data)]
        if c.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]):
            raise OSError(ctypes.get_errno(), "mount", str(target))

    def set_read_only(place, on, recursive=0):
        sizes = (ctypes.c_uint64 * 4)(READ_ONLY if on else 0, 0 if on else READ_ONLY, 0, 0)
        c.syscall(
            SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(place), recursive, ctypes.byref(sizes), 32
        )

    mount(None, "/", None, MS_REC | MS_PRIVATE)
    for place, kind, options in (
        ("/proc", "proc", None),
        ("/dev/shm", "tmpfs", "size=512m,mode=1777"),
        (hidden, "tmpfs", "size=4k"),
    ):
        with contextlib.suppress(OSError):
            mount("none", place, kind, 0, options)
    temporary, writable = space.parent, [space, Path("/dev/shm")]
    opened = os.open(space, os.O_PATH)
    needed = [Path(place) for place in (sys.prefix, sys.base_prefix, *sys.path) if place]
    if not any(
        temporary in (place, *place.parents) for place in needed if space not in place.parents
    ):
        mount("none", temporary, "tmpfs", 0, "size=512m,mode=1777")
        space.mkdir(exist_ok=True)
        writable.append(temporary)
    mount(f"/proc/self/fd/{opened}", space, None, MS_BIND)
    os.close(opened)
    set_read_only("/", True, AT_RECURSIVE)
    for place in writable:  # all are mounts; os.path.ismount() would not see a folder's own
        set_read_only(place, False)
