"""A root file system as plain data, and its layers (OCI image-spec, layer.md).

A root is a dict from paths without a leading slash to entries; "" is the root directory itself. All of it is in
memory: no function here reads a disk, so links of the image never lead out of it."""

import gzip
import io
import tarfile
from typing import NamedTuple

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
XATTR = "SCHILY.xattr."
# The time of a directory that no layer lists. Engines use the current time, so any time is right.
ANY = None


class Entry(NamedTuple):
    """`data` is a file's content, a link's target, a device's numbers, and None for a directory."""

    kind: str
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int | None = 1
    xattrs: tuple = ()
    data: object = None

    def __str__(self):
        data = "" if self.data is None else f" {self.data!r}" if len(self.data) < 80 else f" {len(self.data)} bytes"
        xattrs = "".join(f" {name}={value!r}" for name, value in self.xattrs)
        return f"{self.kind} {self.mode:04o} {self.uid}:{self.gid} mtime {self.mtime}{xattrs}{data}"


IMPLIED = Entry("dir", 0o755, mtime=ANY)


def parent(path):
    return path.rpartition("/")[0]


def name(path):
    return path.rpartition("/")[2]


def join(directory, path):
    return f"{directory}/{path}" if directory and path else directory or path


def ancestors(path):
    """All ancestors of the path except for the root directory, the uppermost first."""
    parts = path.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def is_below(path, directory):
    return path != directory and (not directory or path.startswith(directory + "/"))


def order(path):
    """A directory comes immediately before its contents."""
    return path.split("/")


def remove_below(root, directory):
    for path in [path for path in root if is_below(path, directory)]:
        del root[path]


class Malformed(Exception):
    """A layer that engines refuse, or unpack in different ways."""


def members_of(blob):
    """The members of a layer: pairs of path and entry, in their order; a hard link has its target as `data`."""
    if blob[:2] == b"\x1f\x8b":
        blob = gzip.decompress(blob)
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:") as tar:
        return [member(tar, info) for info in tar]


def member(tar, info):
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link", tarfile.CHRTYPE: "char",
             tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo"}
    kind = kinds.get(info.type, "file")
    data = {
        "file": lambda: tar.extractfile(info).read().decode("latin-1"),
        "link": lambda: info.linkname,
        "hard link": lambda: clean(info.linkname),
        "char": lambda: (info.devmajor, info.devminor),
        "block": lambda: (info.devmajor, info.devminor),
    }.get(kind, lambda: None)()
    xattrs = tuple(sorted((key[len(XATTR):], value) for key, value in info.pax_headers.items()
                          if key.startswith(XATTR)))
    entry = Entry(kind, info.mode & 0o7777, info.uid, info.gid, int(info.mtime // 1), xattrs, data)
    return clean(info.name), entry


def clean(path):
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def apply_layer(lower, members, overlay=False):
    """The root after the layer on the one below it.

    Whiteouts apply only to the layers below, at any position in the tar, and are therefore applied first. In an overlay,
    a directory of the layer replaces the whiteout of its name, and shows the contents of the layers below."""
    root = dict(lower)
    if "" not in root:
        root[""] = IMPLIED
    listed = {path for path, entry in members if entry.kind == "dir"}
    for path, _ in members:
        if name(path) == OPAQUE:
            remove_below(root, parent(path))
        elif name(path).startswith(WHITEOUT):
            hidden = join(parent(path), name(path)[len(WHITEOUT):])
            if overlay and hidden in listed and root.get(hidden, IMPLIED).kind == "dir":
                continue
            remove_below(root, hidden)
            root.pop(hidden, None)
    for path, entry in members:
        if name(path).startswith(WHITEOUT):
            make_parents(root, path, members)
            continue
        if entry.kind == "hard link":
            if entry.data not in root:
                raise Malformed(f"/{path} is a hard link to /{entry.data}, which does not exist")
            entry = root[entry.data]
        make_parents(root, path, members)
        old = root.get(path)
        if old and old.kind == "dir" and entry.kind != "dir":
            if not path:
                raise Malformed("the root is no directory")
            remove_below(root, path)
        root[path] = entry
    return root


def make_parents(root, path, members):
    for above in ancestors(path):
        if above not in root:
            root[above] = IMPLIED
        elif root[above].kind != "dir":
            raise Malformed(f"/{path} lies below /{above}, which is a {root[above].kind}")


def unpack(layers):
    """The root of an image, from the members of each layer, the lowest first."""
    root = {"": IMPLIED}
    for members in layers:
        root = apply_layer(root, members)
    return root


# Resolving paths.

class LinkError(Exception):
    """A link that does not lead to a directory. A message must name one of `links`, those on the way.

    `missing` is the path to which a broken link leads, as far as it can be followed."""

    def __init__(self, reason, links, missing=None):
        super().__init__(reason)
        self.reason, self.links, self.missing = reason, links, missing


def parts(path):
    return [part for part in path.split("/") if part not in ("", ".")]


def follow(root, link, brings=lambda path: False):
    """The directory to which a link leads, and the links on the way, including itself.

    A path for which `brings` is true will be a directory."""
    # The remaining names, each with the link whose target contains it.
    passed, todo, real = [], [name(link)], parent(link)
    while todo:
        part = todo.pop(0)
        if part == "..":
            if not real:
                raise LinkError("leaves the root", passed)
            real = parent(real)
            continue
        here = join(real, part)
        entry = root.get(here)
        if entry is None:
            if not brings(here):
                raise LinkError("is broken", passed, here)
            real = here
        elif entry.kind == "link":
            passed.append(here)
            if len(passed) > 40:
                raise LinkError("goes in a circle", passed)
            if entry.data.startswith("/"):
                real = ""
            todo[:0] = parts(entry.data)
        elif entry.kind == "dir":
            real = here
        else:
            raise LinkError("leads to a file", passed)
    return real, passed
