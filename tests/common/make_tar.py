"""Writes a tar with every kind of entry to standard output, in the format of the first argument (USTAR, GNU or PAX).
The names are unordered, and some occur twice."""

import io
import sys
import tarfile

format = getattr(tarfile, sys.argv[1] + "_FORMAT")
out = io.BytesIO()
tar = tarfile.open(fileobj=out, mode="w", format=format, encoding="utf-8", errors="surrogateescape")


def add(name, type=tarfile.REGTYPE, content=b"", xattrs={}, **fields):
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    member = tarfile.TarInfo(name)
    member.type, member.size = type, len(content)
    for key, value in ({"mtime": 1234567890, "mode": 0o644} | fields).items():
        setattr(member, key, value)
    if format == tarfile.PAX_FORMAT:
        member.pax_headers = {"SCHILY.xattr." + key: value for key, value in xattrs.items()}
    tar.addfile(member, io.BytesIO(content))


odd = format != tarfile.USTAR_FORMAT
add("./", tarfile.DIRTYPE, mode=0o700, uid=7, gid=8)
add("./z/", tarfile.DIRTYPE, mode=0o1777)
add("./z/file", content=b"the file\n" * 100, mode=0o4755, uid=1000, gid=2000)
add("a-link", tarfile.LNKTYPE, linkname="./z/file")
add("z/0-link", tarfile.LNKTYPE, linkname="/a-link")
add("/absolute", content=b"x" * 512)
add("zero", content=b"")
add("symlink", tarfile.SYMTYPE, linkname="../else/where")
add("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
add("disk", tarfile.BLKTYPE, devmajor=259, devminor=1048575)
add("fifo", tarfile.FIFOTYPE)
add("z/.wh.gone")
add("z/.wh..wh..opq")
add(".wh.older")
add(b"not-utf-8-\xff\xfe", content=b"\0")
add("new\nline and \"quotes\" = :", content=b"\n")
add("/".join(["p" * 50] * 2 + ["n" * 90]), content=b"with a prefix")
if odd:
    add("long/" + "/".join(["d" * 200] * 6), content=b"long name")
    add("long-link", tarfile.SYMTYPE, linkname="t" * 300)
    add("big-owner", content=b"1", uid=2097152, gid=4294967294)
    add("before-1970", content=b"2", mtime=-1)
if format == tarfile.PAX_FORMAT:
    add("fraction", content=b"3", mtime=-1.5)
    add("later-fraction", content=b"4", mtime=1.999)
    capability = "\1\0\0\2\0\4\0\0=\0"
    add("capability", content=b"5", xattrs={"security.capability": capability, "user.empty": "", "user.a": "b"})
# A repeated name replaces the earlier entry.
add("twice", content=b"first")
add("twice-link", tarfile.LNKTYPE, linkname="twice")
add("twice", content=b"second", mode=0o600)
add("becomes-file/inside", content=b"lost")
add("becomes-file", content=b"now a file")
add("becomes-dir", content=b"lost")
add("becomes-dir", tarfile.DIRTYPE, mode=0o750)
add("becomes-dir/inside", content=b"kept")
add("./z", tarfile.DIRTYPE, mode=0o1770)
tar.close()
sys.stdout.buffer.write(out.getvalue())
