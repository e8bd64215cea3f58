"""Runs a program in a terminal and prints what is on its screen at each moment, and at the end.

terminal.py COLUMNS INPUT_SECONDS PROGRAM ARGUMENT...

INPUT_SECONDS is how long the standard input of the program has more bytes. Prints JSON:
{"code": exit status, "seen": [lines that were on the screen at some time], "screen": [lines at the
end], "scrolled": lines that left the screen, "written": [lines before the terminal wraps them]}
"""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time

import pyte

columns, seconds, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
screen = pyte.HistoryScreen(columns, 24, history=1000)
stream = pyte.ByteStream(screen)
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
program = subprocess.Popen(
    command, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, start_new_session=True
)
os.close(theirs)


def feed():
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        program.stdin.write(b"x" * 4096)
        program.stdin.flush()
        time.sleep(0.05)
    program.stdin.close()


threading.Thread(target=feed).start()
seen, written = [], b""
while True:
    try:
        data = os.read(ours, 65536)
    except OSError:
        break
    if not data:
        break
    stream.feed(data)
    written += data
    for line in screen.display:
        if line.strip() and line.rstrip() not in seen:
            seen.append(line.rstrip())
lines = [line.rstrip() for line in screen.display]
while lines and not lines[-1]:
    lines.pop()
# The lines as the program wrote them, without colours.
plain = re.sub(r"\x1b\[[0-9;]*m", "", written.decode())
print(json.dumps({
    "code": program.wait(), "seen": seen, "screen": lines, "scrolled": len(screen.history.top),
    "written": plain.splitlines(),
}))
