"""listing.py TAR: what Python's tarfile finds in a tar, as JSON; bytes in hexadecimal."""

import json
import sys
import tarfile


def hexadecimal(text):
    return text.encode("utf-8", "surrogateescape").hex()


with tarfile.open(sys.argv[1], "r:", encoding="utf-8", errors="surrogateescape") as tar:
    json.dump([{
        "path": hexadecimal(member.name),
        "type": member.type.decode(),
        "mode": member.mode,
        "uid": member.uid,
        "gid": member.gid,
        "mtime": int(member.mtime),
        "devmajor": member.devmajor,
        "devminor": member.devminor,
        "link": hexadecimal(member.linkname),
        "content": tar.extractfile(member).read().hex() if member.isreg() else "",
        "records": {name: hexadecimal(value) for name, value in member.pax_headers.items()},
    } for member in tar], sys.stdout)
