"""images.py MAKER PROGRAM: makes an image with everything that layers can contain.

In three steps, the files of a container are written into the folder `root`. MAKER makes a layer of each step. The image
is the layout `image` with the tag `t`. PROGRAM is ours."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile

ROOT = b"root"
# A capability, as the kernel stores it.
CAPABILITY = bytes([1, 0, 0, 2, 0, 4] + [0] * 14)
# What an old format of tar can hold, without extended attributes and parts of seconds.
OLD = (b"long", b"names")
# bsdtar writes a wrong fraction before 1970.
WHOLE = (*OLD, b"before-1970")


def main():
    makers = {"ours": ours, "gnu": gnu, "bsd": bsd, "python": python, "umoci": umoci, "buildah": buildah}
    os.mkdir(ROOT)
    makers[sys.argv[1]]()


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()


# The files.

def lower():
    for mode in (0o000, 0o600, 0o755, 0o4755, 0o2711, 0o6750):
        file(f"modes/{mode:04o}", mode=mode, owner=(1000, 1001))
    for mode in (0o700, 0o1777, 0o2775, 0o555):
        folder(f"modes/folder-{mode:04o}", mode, (1000, 1001))
    file("modes/folder-0555/file")
    file("owners/large", owner=(2_097_152, 3_000_000_000))
    file("xattrs/program", mode=0o755, security__capability=CAPABILITY, user__a=b"a=\n\xff")
    folder("xattrs/folder", user__of=b"folder")
    for name in (b"latin-1 gr\xfcn", "gr\u00fcn".encode(), b"new\nline", b" -rf ", b"...", b"back\\slash", b"n" * 255):
        file(b"names/" + name)
    file("long/" + "/".join(["d" * 90] * 12))
    link("links/long", "t/" * 300)
    link("links/absolute", "/modes")
    link("links/dangling", b"no\xffwhere")
    file("hard/first")
    for name in ("second", "third"):
        os.link(at("hard/first"), at(f"hard/{name}"))
    with open(at("sparse"), "wb") as sparse:
        sparse.truncate(3_000_000)
        for place in (0, 1_000_000, 2_900_000):
            sparse.seek(place)
            sparse.write(b"data")
    node("dev/pipe", stat.S_IFIFO | 0o620)
    node("dev/null", stat.S_IFCHR | 0o666, (1, 3))
    node("dev/disk", stat.S_IFBLK | 0o660, (259, 300))
    file("before-1970")
    # What the next steps change.
    for path in ("gone/file", "gone/folder/a/b", "emptied/old/c", "turn/file-to-folder", "turn/folder-to-file/x",
                 "turn/folder-to-link/x", "turn/and-back/x", "kept/file", "replaced"):
        file(path)
    link("turn/link-to-folder", "../kept")
    link("turn/link-to-file", "../kept/file")


def change():
    for path in ("gone/file", "gone/folder", "emptied/old", "turn/file-to-folder", "turn/folder-to-file",
                 "turn/folder-to-link", "turn/and-back", "turn/link-to-folder", "turn/link-to-file", "hard/first"):
        remove(path)
    file("emptied/new")
    file("turn/file-to-folder/in")
    file("turn/folder-to-file")
    link("turn/folder-to-link", "../kept")
    link("turn/and-back", "../kept")
    file("turn/link-to-folder/in")
    file("turn/link-to-file")
    file("replaced", b"by more", 0o4711, (7, 8))
    folder("modes/folder-0700", 0o1700, (3, 4))


def back():
    remove("turn/and-back")
    file("turn/and-back/y")
    # A link to a file of a lower layer.
    os.link(at("hard/second"), at("hard/third-too"))


def at(path):
    return os.path.join(ROOT, os.fsencode(path))


def file(path, contents=None, mode=0o644, owner=(0, 0), **xattrs):
    os.makedirs(os.path.dirname(at(path)), exist_ok=True)
    with open(at(path), "wb") as new:
        new.write(contents or os.fsencode(path))
    set_attributes(path, mode, owner, xattrs)


def folder(path, mode=0o755, owner=(0, 0), **xattrs):
    os.makedirs(at(path), exist_ok=True)
    set_attributes(path, mode, owner, xattrs)


def link(path, target):
    os.makedirs(os.path.dirname(at(path)), exist_ok=True)
    os.symlink(target, at(path))


def node(path, mode, device=(0, 0)):
    os.makedirs(os.path.dirname(at(path)), exist_ok=True)
    os.mknod(at(path), mode, os.makedev(*device))
    os.chmod(at(path), stat.S_IMODE(mode))


def set_attributes(path, mode, owner, xattrs):
    # An owner that is set later would clear the setuid bit.
    os.chown(at(path), *owner)
    os.chmod(at(path), mode)
    for name, value in xattrs.items():
        os.setxattr(at(path), name.replace("__", "."), value)


def remove(path):
    if is_folder(path):
        shutil.rmtree(at(path))
    else:
        os.remove(at(path))


def is_folder(path):
    return os.path.isdir(at(path)) and not os.path.islink(at(path))


def take(step, *roots):
    """Takes a step in `root` and in these folders. Returns the paths that it changed, and those that it removed."""
    global ROOT
    for ROOT in (*map(os.fsencode, roots), b"root"):
        before = state()
        step()
        set_times()
    after = state()
    new = {inode for path, (inode, fields) in after.items() if path not in before or before[path][1] != fields}
    # All names of a file, because a layer of tar holds links to its own files.
    changed = sorted(path for path, (inode, _) in after.items() if inode in new)
    removed = [path for path in before if path not in after and is_folder(os.path.dirname(path))]
    return changed, removed


def set_times():
    """Sets times that depend on the paths only, the deepest first."""
    for path in sorted(paths(), reverse=True):
        seconds = -6 if path == b"before-1970" else sum(path) * 1000
        nanoseconds = 0 if path.startswith(WHOLE) else sum(path) * 1003
        os.utime(at(path), ns=(0, seconds * 10**9 + nanoseconds), follow_symlinks=False)


def paths():
    for folder, folders, files in os.walk(ROOT):
        for name in folders + files:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def state():
    """For each path its inode, and what an entry of a tar says of it."""
    return {path: (os.lstat(at(path)).st_ino, fields(path)) for path in paths()}


def fields(path):
    found = os.lstat(at(path))
    is_link, is_file = stat.S_ISLNK(found.st_mode), stat.S_ISREG(found.st_mode)
    data = os.readlink(at(path)) if is_link else open(at(path), "rb").read() if is_file else b""
    xattrs = [(name, os.getxattr(at(path), name, follow_symlinks=False))
              for name in os.listxattr(at(path), follow_symlinks=False)]
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_rdev, data, xattrs


# The makers.

def ours():
    """Each layer has another compression."""
    program = sys.argv[2]
    take(lower)
    keep = {attribute: "keep" for attribute in ("mode", "uid", "gid", "mtime", "xattrs")}
    files = {"source": "root", "destination": "/", "exclude": ["dev"], **keep}
    with open("spec", "w") as spec:
        json.dump({"files": [files], "hardLinks": "keep"}, spec)
    run(program, "layer-tar", "--spec=spec", "--output=0")
    # A folder as a source gives no devices.
    run("tar", "--create", "--file=dev.tar", "--directory=root", "dev")
    run(program, "layer-tar", "--tar=dev.tar", "--output=1")
    for number, (step, compression) in enumerate([(change, "zstd"), (back, "none")], 2):
        copy("old")
        take(step)
        copy("new")
        run(program, "layer-diff", "old", "new", f"--compression={compression}", f"--output={number}")
    os.mkdir("nothing")
    run(program, "layer-tar", "--file=nothing:/", "--output=4")
    layers = [f"--layer={number}" for number in range(5)]
    run(program, "image-manifest", "--replace", *layers, "--output=manifest")
    run(program, "image-layout", "t=manifest", "--output=image")


def copy(folder):
    shutil.rmtree(folder, ignore_errors=True)
    run("cp", "--archive", "root", folder)
    shutil.rmtree(f"{folder}/dev")


def gnu():
    """GNU tar in its old format and in that of POSIX, and an empty layer. umoci adds each layer unchanged."""
    new_layout()
    changed, _ = take(lower)
    old = [path for path in changed if path.startswith(OLD)]
    for form, compression, paths in (("gnu", "gzip", old), ("posix", "zstd", set(changed) - set(old))):
        gnu_tar(form, paths)
        add_layer(compression)
    for step in (change, back):
        gnu_tar("posix", *take(step))
        add_layer("none")
    with open("layer.tar", "wb") as empty:
        empty.truncate(1024)
    add_layer("gzip")


def gnu_tar(form, changed, removed=()):
    xattrs = ["--xattrs", "--xattrs-include=*"] if form == "posix" else []
    folders = []
    for name, listed in (("whiteouts", whiteouts(removed)), ("root", sorted(changed))):
        with open(f"{name}.list", "wb") as new:
            new.writelines(path + b"\0" for path in listed)
        folders += [f"--directory={os.path.abspath(name)}", f"--files-from={os.path.abspath(name)}.list"]
    run("tar", "--create", "--file=layer.tar", f"--format={form}", *xattrs, "--sparse", "--no-recursion", "--null",
        "--verbatim-files-from", *folders)


def whiteouts(removed):
    """Makes the files that remove these paths from the layers below, in the folder `whiteouts`."""
    names = []
    for path in removed:
        folder, name = os.path.split(path)
        # All that this folder contained is removed.
        names.append(os.path.join(folder, b".wh..wh..opq" if folder == b"emptied" else b".wh." + name))
    shutil.rmtree("whiteouts", ignore_errors=True)
    os.mkdir("whiteouts")
    for name in names:
        os.makedirs(os.path.join(b"whiteouts", os.path.dirname(name)), exist_ok=True)
        open(os.path.join(b"whiteouts", name), "wb").close()
    return names


def new_layout():
    run("umoci", "init", "--layout", "image")
    run("umoci", "new", "--image", "image:t")


def add_layer(compression):
    run("umoci", "raw", "add-layer", "--image", "image:t", "--compress", compression, "layer.tar")


def bsd():
    """bsdtar, and an empty layer. crane appends the layers, and skopeo makes a layout of its archive."""
    layers = []
    for number, step in enumerate(STEPS):
        changed, removed = take(step)
        names = whiteouts(removed)
        run("cp", "--archive", "root/.", "whiteouts")
        with open("list", "wb") as new:
            new.writelines(path + b"\0" for path in (*changed, *names))
        run("bsdtar", "-cf", f"{number}.tar", "--format=pax", "--xattrs", "--read-sparse", "-n", "--null",
            "-C", "whiteouts", "-T", os.path.abspath("list"))
        layers.append(f"--new_layer={number}.tar")
    run("crane", "append", *layers, "--new_tag=image:t", "--output=archive")
    run("skopeo", "--insecure-policy", "copy", "--quiet", "docker-archive:archive", "oci:image:t")


def python():
    """Python's tarfile, with entries in an odd order, and with links to files of lower layers."""
    new_layout()
    for number, step in enumerate(STEPS):
        changed, removed = take(step)
        with tarfile.open("layer.tar", "w", format=tarfile.PAX_FORMAT, encoding="utf-8",
                          errors="surrogateescape") as tar:
            # In the lowest layer, folders come after what they contain.
            for path in changed if number else reversed(changed):
                member = tar.gettarinfo(os.fsdecode(at(path)), "./" + os.fsdecode(path))
                member.pax_headers |= {"SCHILY.xattr." + name: value.decode("utf-8", "surrogateescape")
                                       for name, value in fields(path)[-1]}
                if step is back and path.startswith(b"hard/"):
                    if path != b"hard/third-too":
                        continue
                    member.type, member.linkname = tarfile.LNKTYPE, "/hard/second"
                tar.addfile(member, open(at(path), "rb") if member.isreg() else None)
            for name in whiteouts(removed):
                tar.addfile(tarfile.TarInfo(os.fsdecode(name)))
        add_layer(("gzip", "zstd", "none")[number])


def umoci():
    """umoci finds the differences itself."""
    new_layout()
    for step, compression in zip(STEPS, ("gzip", "zstd", "none")):
        shutil.rmtree("bundle", ignore_errors=True)
        run("umoci", "unpack", "--image", "image:t", "bundle")
        take(step, "bundle/rootfs")
        run("umoci", "repack", "--image", "image:t", "--compress", compression, "bundle")
    shutil.rmtree("bundle")


def buildah():
    """buildah finds the differences itself."""
    base = "scratch"
    for number, step in enumerate(STEPS):
        container = run("buildah", "from", "--quiet", base)
        take(step, run("buildah", "mount", container))
        base = run("buildah", "commit", "--quiet", container)
    run("buildah", "push", "--quiet", base, "oci:image:t")


STEPS = (lower, change, back)
main()
