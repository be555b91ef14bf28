"""Becomes another program that dies with its parent: `python _run_with_parent.py PARENT_PID PROGRAM ARGUMENT…`.

A killed demo must leave no Envoy behind. Linux ends a process whose parent is gone when it asked for that (PR_SET_PDEATHSIG), and the wish
survives exec. It is asked for here, in a process of its own, since running Python code between fork and exec of a process with
threads is not safe.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(sys.argv[1]):  # else the parent died before the wish was made
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
