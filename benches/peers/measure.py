"""Runs commands and says what they took; and what machine that was."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# getrusage counts in kilobytes, but for macOS.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


# A process is whoever starts it until it becomes its program, and less memory than that is not seen: another Python
# starts the command, with nothing in it but this. It writes the seconds that passed, and those that cores were busy, of
# this child and of those that it waited for, and of no other; its peak; and that of a program that needs nothing.
LAUNCH = """
import os, sys, time
def run(command):
    start = time.monotonic()
    # Python ignores a broken pipe and a file that is too large, which programs do not.
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
    """A command of several programs: bash, which fails if any of a pipe does."""
    return ["bash", "-euo", "pipefail", "-c", script]


def run(command, out):
    """Runs a command, in whose words $out is a folder that is new, and returns what it took."""
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
            # Of the largest process.
            "peak": peak * RSS_UNIT,
            "least peak seen": least * RSS_UNIT,
            "output": output.read().decode(errors="replace"),
        }


def run_in(folder, command, prepare=None, room=0):
    """As `run`, in a new folder that is removed again; with the size of the largest file that was made there, and of
    all together."""
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
    """Writes as many bytes as the output will have, and removes them again. A virtual machine's memory is its host's
    work when it is touched first, which takes longer than to write a layer, and falls on whoever happens to be next."""
    path = Path(folder, "touched")
    with path.open("wb") as file:
        for _ in range(room >> 20):
            file.write(bytes(1 << 20))
    path.unlink()


def machine(programs):
    """What is said beside the figures."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "versions": [version(program) for program in programs],
    }


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def version(program):
    """The first line of what the program says of itself, with its name."""
    name = Path(program).name
    for argument in ("--version", "version"):
        said = subprocess.run([program, argument], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        line = (said.stdout + said.stderr).partition("\n")[0].strip("* ")
        if said.returncode == 0 and any(map(str.isdigit, line)):
            return line if name in line else f"{name} {line}"
    return f"{name}, which does not say its version"
