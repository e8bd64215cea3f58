"""A root as other programs unpack it."""

import os
import stat
import subprocess
from pathlib import Path

from root import ANY, IMPLIED, Entry


class Storage:
    """buildah with a storage of its own."""

    def __init__(self, folder, driver):
        self.command = ["buildah", "--root", folder / driver, "--runroot", folder / f"{driver}-run",
                        "--storage-driver", driver]

    def __call__(self, *args):
        output = subprocess.run([*self.command, *args], capture_output=True, text=True)
        if output.returncode:
            raise subprocess.CalledProcessError(output.returncode, args, output.stdout, output.stderr)
        return output.stdout.strip()

    def container(self, layout):
        """A container of a layout's image, and where its root is."""
        container = self("from", "--pull-never", "-q", f"oci:{layout}")
        return container, Path(self("mount", container))

    def clear(self):
        self("rm", "--all")
        self("rmi", "--all", "--force")


def read(root):
    """What lies in this folder."""
    found = {"": entry(root)}
    for folder, directories, files in os.walk(root):
        for child in directories + files:
            path = os.path.join(folder, child)
            # In a directory of one layer only, an overlay shows whiteouts of nothing, which are not there.
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
    """What was expected, and was found, without what engines do each in its own way.

    Of directories that the last layer does not list that is how they look: an overlay takes parents that a layer does not
    list for new ones, and the kernel changes times. The root of a storage is of the storage. Extended attributes of
    directories are only added to those of the layers below, unless in an overlay. buildah has no times before 1970."""
    clamped = lambda entry: entry if entry.mtime is ANY or entry.mtime >= 0 else entry._replace(mtime=0)
    expected, actual = ({path: clamped(entry) for path, entry in root.items()} for root in (expected, actual))
    for path in expected.keys() & actual.keys():
        mine, theirs = expected[path], actual[path]
        if mine.kind == theirs.kind == "dir":
            actual[path] = theirs._replace(xattrs=tuple(xattr for xattr in theirs.xattrs if xattr in mine.xattrs))
            if not path or path not in listed:
                expected[path] = actual[path] = IMPLIED
    return expected, actual
