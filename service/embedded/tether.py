"""Becomes another program that ends when the program that started it ends, even by `kill -9` (on Linux).

A script of its own and not a function that runs between fork and exec, because that is unsafe once a process has
threads. Run as: tether.py SIGNAL PARENT UID GID PROGRAM ARGUMENT...
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(end_signal: int, parent: int, uid: int, gid: int, *command: str) -> None:
    """Take the user, tie the life to the parent's, and turn into the command."""
    # The tie comes after the change of user: the kernel forgets it when a process changes who it is.
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, end_signal)
    if os.getppid() != parent:
        sys.exit("the starting process ended before its child began")
    # Python ignores these two, and what is ignored stays so in the next program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
