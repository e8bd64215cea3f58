"""Runs commands, and reports their time and memory, and the machine."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# getrusage counts in kilobytes, except on macOS.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


# Until a process executes its program, it has the memory of its parent, which hides a smaller peak. Therefore a minimal
# Python starts the command. It writes the elapsed seconds, the processor seconds of this child and of its own children,
# its peak memory, and the peak of a program that needs nothing.
LAUNCH = """
import os, sys, time
def run(command):
    start = time.monotonic()
    # Python ignores the signals for a broken pipe and for a file that is too large. Other programs do not.
    pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=[13, 25])
    _, status, usage = os.wait4(pid, 0)
    return status, time.monotonic() - start, usage
_, _, nothing = run(["true"])
status, wall, usage = run(sys.argv[2:])
said = [wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, nothing.ru_maxrss]
os.write(int(sys.argv[1]), str(said).encode())
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""


def shell(script):
    """A command of several programs: bash, which fails if any program of a pipe fails."""
    return ["bash", "-euo", "pipefail", "-c", script]


def run(command, out):
    """Runs a command, in which $out is a new folder, and returns its time and memory."""
    command = [word.replace("$out", str(out)) for word in command]
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryFile() as report,
    ):
        process = subprocess.run([sys.executable, "-ISc", LAUNCH, str(report.fileno()), *command],
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=errors, pass_fds=[report.fileno()])
        for file in (output, errors, report):
            file.seek(0)
        if process.returncode != 0:
            reason = errors.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}: {reason}")
        wall, busy, peak, least = json.load(report)
        return {
            "time": wall,
            "busy": busy / wall,
            # The peak of the largest process.
            "peak": peak * RSS_UNIT,
            "least peak seen": least * RSS_UNIT,
            "output": output.read().decode(errors="replace"),
        }


def run_in(folder, command, prepare=None, room=0):
    """Like `run`, in a temporary folder. Also returns the size of the largest file in it, and of all files."""
    touch(folder, room)
    out = Path(folder, "run", "out")
    out.mkdir(parents=True)
    try:
        if prepare:
            run(prepare, out)
        took = run(command, out)
        sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file() and not path.is_symlink()]
        return {**took, "size": max(sizes, default=0), "room": sum(sizes)}
    finally:
        shutil.rmtree(out.parent)


def touch(folder, room):
    """Writes as many bytes as the output will have, and removes them. In a virtual machine, the host provides memory at
    the first access, which takes longer than writing a layer, and would be added to the next command."""
    path = Path(folder, "touched")
    with path.open("wb") as file:
        for _ in range(room >> 20):
            file.write(bytes(1 << 20))
    path.unlink()


def machine(programs):
    """The description next to the figures."""
    return {
        "processor": processor(),
        "sha": has_sha(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "versions": [version(program) for program in programs],
    }


def processor():
    names = cpuinfo("model name") or [platform.processor() or platform.machine()]
    return names[0]


def has_sha():
    """Whether the processor has instructions for SHA-256. All of Apple's have them."""
    flags = " ".join(cpuinfo("flags") + cpuinfo("Features")).split()
    return "sha_ni" in flags or "sha2" in flags or (sys.platform == "darwin" and platform.machine() == "arm64")


def cpuinfo(key):
    """The values of this key, one for each core, where the system is Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [line.split(": ")[1] for line in lines if line.startswith(key) and ": " in line]


def version(program):
    """The name of the program, and the first line of its version."""
    name = Path(program).name
    for argument in ("--version", "version"):
        said = subprocess.run([program, argument], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        line = (said.stdout + said.stderr).partition("\n")[0].strip("* ")
        if said.returncode == 0 and any(map(str.isdigit, line)):
            return line if name in line else f"{name} {line}"
    return f"{name}, which does not say its version"
