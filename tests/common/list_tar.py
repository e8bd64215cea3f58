"""Lists the tar on standard input, one line per entry, as Python's tarfile reads it.

Without an argument, lists the entries unchanged, and with the argument "offsets" the start of each. With the argument
"layer", lists the entries of the layer made from them: names normalised, the last of equal names, missing parents
added, in the order of the byte format, and of the names of one file the first as the file and the others as hard links.
"""

import hashlib
import io
import math
import sys
import tarfile

TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file",
    tarfile.LNKTYPE: "hardlink", tarfile.SYMTYPE: "symlink", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir", tarfile.FIFOTYPE: "fifo",
}


def escape(raw):
    special = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
    return "".join(special.get(b) or (chr(b) if 32 <= b < 127 else "\\x%02x" % b) for b in raw)


def raw(text):
    return text.encode("utf-8", "surrogateescape")


def normal(name):
    parts = [part for part in raw(name).split(b"/") if part not in (b"", b".")]
    return b"/".join(parts) or b"."


def line(tar, member, kind, name, link):
    mode = 0o777 if kind == "symlink" else member.mode & 0o7777
    text = "%s %s %04o %d:%d %d" % (kind, escape(name), mode, member.uid, member.gid, math.floor(member.mtime))
    if kind in ("hardlink", "symlink"):
        text += " -> " + escape(link)
    if kind in ("char", "block"):
        text += " %d,%d" % (member.devmajor, member.devminor)
    if kind == "file":
        content = tar.extractfile(member).read()
        text += " %d %s" % (len(content), hashlib.sha256(content).hexdigest())
    for key, value in sorted(member.pax_headers.items()):
        if key.startswith("SCHILY.xattr."):
            text += " %s=%s" % (key[len("SCHILY.xattr."):], escape(raw(value)))
    return text


def order(name):
    """Components in byte order, whiteouts before the others, the opaque one first."""
    rank = lambda part: 0 if part == b".wh..wh..opq" else 1 if part.startswith(b".wh.") else 2
    return [(rank(part), part) for part in name.split(b"/")] if name != b"." else []


tar = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), encoding="utf-8", errors="surrogateescape")
if sys.argv[1:] == ["layer"]:
    places, files = {}, {}
    for member in tar:
        name = normal(member.name)
        file = places[normal(member.linkname)] if member.islnk() else member
        if not member.isdir():
            for below in [place for place in places if place.startswith(name + b"/")]:
                del places[below]
        places[name] = file
    for name in list(places):
        while name := name.rpartition(b"/")[0]:
            missing = tarfile.TarInfo()
            missing.type, missing.mode, missing.mtime = tarfile.DIRTYPE, 0o755, 1
            places.setdefault(name, missing)
    for name in sorted(places, key=order):
        file = places[name]
        first = files.setdefault(id(file), name)
        kind = TYPES[file.type] if first == name or not file.isreg() else "hardlink"
        print(line(tar, file, kind, name, first if kind == "hardlink" else raw(file.linkname)))
else:
    for member in tar:
        if sys.argv[1:] == ["offsets"]:
            print(member.offset, end=" ")
        print(line(tar, member, TYPES[member.type], raw(member.name).rstrip(b"/") or b".", raw(member.linkname)))
