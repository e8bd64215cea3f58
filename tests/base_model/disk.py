"""A root that other programs unpacked."""

import os
import stat
import subprocess
from pathlib import Path

from root import ANY, IMPLIED, Entry


class Storage:
    """buildah with a separate storage."""

    def __init__(self, folder, driver):
        self.command = ["buildah", "--root", folder / driver, "--runroot", folder / f"{driver}-run",
                        "--storage-driver", driver]

    def __call__(self, *args):
        output = subprocess.run([*self.command, *args], capture_output=True, text=True)
        if output.returncode:
            raise subprocess.CalledProcessError(output.returncode, args, output.stdout, output.stderr)
        return output.stdout.strip()

    def container(self, layout):
        """A container of a layout's image, and the path of its root."""
        container = self("from", "--pull-never", "-q", f"oci:{layout}")
        return container, Path(self("mount", container))

    def clear(self):
        self("rm", "--all")
        self("rmi", "--all", "--force")


def read(root):
    """The contents of this folder."""
    found = {"": entry(root)}
    for folder, directories, files in os.walk(root):
        for child in directories + files:
            path = os.path.join(folder, child)
            # In a directory of only one layer, an overlay shows whiteouts that remove nothing. They do not count.
            if os.path.lexists(path):
                found[os.path.relpath(path, root)] = entry(path)
    return found


def entry(path):
    info = os.lstat(path)
    kind = {stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFREG: "file", stat.S_IFCHR: "char",
            stat.S_IFBLK: "block", stat.S_IFIFO: "fifo"}[stat.S_IFMT(info.st_mode)]
    data = None
    if kind == "file":
        data = Path(path).read_bytes().decode("latin-1")
    elif kind == "link":
        data = os.readlink(path)
    elif kind in ("char", "block"):
        data = (os.major(info.st_rdev), os.minor(info.st_rdev))
    names = (key for key in os.listxattr(path, follow_symlinks=False) if key.startswith("user."))
    xattrs = tuple(sorted((key, os.getxattr(path, key, follow_symlinks=False).decode()) for key in names))
    return Entry(kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, int(info.st_mtime // 1), xattrs, data)


def like(expected, actual, listed):
    """The expected and the found entries, without the details in which engines differ.

    These are the attributes of directories that the last layer does not list: an overlay treats unlisted parents as new
    directories, and the kernel changes times. The root of a storage belongs to the storage. Except in an overlay,
    extended attributes of directories are only added to those of the layers below. buildah has no times before 1970."""
    clamped = lambda entry: entry if entry.mtime is ANY or entry.mtime >= 0 else entry._replace(mtime=0)
    expected, actual = ({path: clamped(entry) for path, entry in root.items()} for root in (expected, actual))
    for path in expected.keys() & actual.keys():
        mine, theirs = expected[path], actual[path]
        if mine.kind == theirs.kind == "dir":
            actual[path] = theirs._replace(xattrs=tuple(xattr for xattr in theirs.xattrs if xattr in mine.xattrs))
            if not path or path not in listed:
                expected[path] = actual[path] = IMPLIED
    return expected, actual
