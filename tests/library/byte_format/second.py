"""second.py DIR: a second implementation of docs/byte-format.md, written from that page alone.

The input is DIR/wanted.json: the entries of a layer, "config" of the image configuration as text, and the command that
created the layer. Text in an entry is bytes in Latin-1. The output in DIR is layer.tar, config.json, manifest.json and
index.json of an image with this layer, uncompressed. second.rs makes the same image with the library and compares the
bytes."""

import hashlib
import json
import pathlib
import sys

TYPES = {"file": b"0", "whiteout": b"0", "hardlink": b"1", "symlink": b"2", "char": b"3", "block": b"4",
         "directory": b"5", "fifo": b"6"}


def octal(value, size):
    return b"%0*o\0" % (size - 1, value)


def header(name, mode, uid, gid, size, mtime, kind, link=b"", device=(0, 0), prefix=b""):
    fields = [
        name.ljust(100, b"\0"), octal(mode, 8), octal(uid, 8), octal(gid, 8), octal(size, 12), octal(mtime, 12),
        b" " * 8, kind, link.ljust(100, b"\0"), b"ustar\0", b"00", bytes(32), bytes(32),
        octal(device[0], 8), octal(device[1], 8), prefix.ljust(155, b"\0"), bytes(12),
    ]
    fields[6] = octal(sum(b"".join(fields)), 8)
    block = b"".join(fields)
    assert len(block) == 512
    return block


def record(key, value):
    rest = len(key) + len(value) + 3
    length = next(n for n in range(rest, rest + 20) if n == rest + len(str(n)))
    return b"%d %s=%s\n" % (length, key, value)


def padded(data):
    return data + bytes(-len(data) % 512)


def split(name):
    """Prefix and name; None if the name does not fit."""
    if len(name) <= 100:
        return b"", name
    for i, byte in enumerate(name[:-1]):
        if byte == ord("/") and len(name) - i - 1 <= 100:
            return (name[:i], name[i + 1:]) if 1 <= i <= 155 else None
    return None


def tar_entry(entry):
    data = entry.get("content", "").encode("latin-1") if entry["type"] == "file" else b""
    name = entry["path"].encode("latin-1")
    if entry["type"] == "directory":
        name = (name or b".") + b"/"
    link = entry.get("target", "").encode("latin-1")
    numbers = {"size": len(data), "uid": entry["uid"], "gid": entry["gid"]}
    pax = b""
    for key, most in ("size", 0o77777777777), ("uid", 0o7777777), ("gid", 0o7777777):
        if numbers[key] > most:
            pax += record(key.encode(), b"%d" % numbers[key])
            numbers[key] = 0
    mtime = entry["mtime"]
    if not 0 <= mtime <= 0o77777777777:
        pax += record(b"mtime", b"%d" % mtime)
        mtime = 0
    parts = split(name)
    if parts is None:
        pax += record(b"path", name)
        parts = b"", name[:100]
    if len(link) > 100:
        pax += record(b"linkpath", link)
    for key, value in sorted((k.encode("latin-1"), v.encode("latin-1")) for k, v in entry.get("xattrs", {}).items()):
        pax += record(b"SCHILY.xattr." + key, value)
    blocks = b""
    if pax:
        blocks = header(b"././@PaxHeader", 0o644, 0, 0, len(pax), 0, b"x") + padded(pax)
    blocks += header(parts[1], entry["mode"], numbers["uid"], numbers["gid"], numbers["size"], mtime,
                     TYPES[entry["type"]], link[:100], entry.get("device", (0, 0)), parts[0])
    return blocks + padded(data)


def order(entry):
    """By components; in a directory the opaque whiteout, then whiteouts, then all else."""
    *directory, last = entry["path"].encode("latin-1").split(b"/")
    rank = 2
    if entry["type"] == "whiteout":
        rank = 0 if last == b".wh..wh..opq" else 1
    return [(2, name) for name in directory] + [(rank, last)] if entry["path"] else []


def dumps(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(kind, data):
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": digest(data), "size": len(data)}


def main():
    out = pathlib.Path(sys.argv[1])
    wanted = json.loads((out / "wanted.json").read_bytes())
    tar = b"".join(map(tar_entry, sorted(wanted["entries"], key=order))) + bytes(1024)
    created = "1970-01-01T00:00:01Z"
    config = {"created": created, "architecture": "amd64", "os": "linux", "config": json.loads(wanted["config"])}
    config["rootfs"] = {"type": "layers", "diff_ids": [digest(tar)]}
    config["history"] = [{"created": created, "created_by": wanted["created_by"]}]
    config = dumps(config)
    manifest = dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config), "layers": [descriptor("layer.v1.tar", tar)],
    })
    image = descriptor("manifest.v1+json", manifest)
    image["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    image["platform"] = {"architecture": "amd64", "os": "linux"}
    index = dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [image]})
    for name, data in ("layer.tar", tar), ("config.json", config), ("manifest.json", manifest), ("index.json", index):
        (out / name).write_bytes(data)


if __name__ == "__main__":
    main()
