"""Random bases: one to four layers, like the roots of real distributions, including their defects."""

from root import IMPLIED, OPAQUE, WHITEOUT, Entry, Malformed, ancestors, apply_layer, is_below, join, name, order, parent

NAMES = ["a", "b", "a.b", "a-b", "app", "bin", "etc", "lib", "run", "tmp", "conf", "data", "x y", "ä", "z" * 120]
TIMES = [0, 1, 2, 1000000000, 1700000000]
LONG_AGO = 1000000000


def directory(mode=0o755, uid=0, gid=0, mtime=LONG_AGO, xattrs=()):
    return Entry("dir", mode, uid, gid, mtime, xattrs)


def link(target, uid=0, gid=0):
    return Entry("link", 0o777, uid, gid, LONG_AGO, (), target)


def file(text, mode=0o644, uid=0, gid=0, mtime=LONG_AGO, xattrs=()):
    return Entry("file", mode, uid, gid, mtime, xattrs, text)


def common():
    return {
        "": directory(), "etc": directory(), "usr": directory(), "usr/bin": directory(), "usr/lib": directory(),
        "var": directory(), "var/cache": directory(), "home": directory(), "opt": directory(),
        "tmp": directory(0o1777), "var/tmp": directory(0o1777), "root": directory(0o700),
        "home/app": directory(0o750, 1000, 1000), "usr/bin/env": file("env", 0o755),
        "etc/passwd": file("root:x:0:0::/root:/bin/sh\n"),
    }


def debian():
    root = common()
    root |= {"usr/sbin": directory(), "usr/lib64": directory(), "run": directory(), "run/lock": directory(0o1777),
             "bin": link("usr/bin"), "sbin": link("usr/sbin"), "lib": link("usr/lib"), "lib64": link("usr/lib64"),
             "var/run": link("/run"), "var/lock": link("/run/lock"), "var/mail": directory(0o2775, 0, 8),
             "usr/bin/dash": file("sh", 0o755), "usr/bin/sh": link("dash"), "etc/mtab": link("/proc/mounts"),
             "etc/alternatives": directory(), "etc/alternatives/pager": link("/usr/bin/env"),
             "usr/bin/pager": link("/etc/alternatives/pager"), "etc/os-release": link("../usr/lib/os-release"),
             "usr/lib/os-release": file("ID=debian\n"), "etc/shadow": file("", 0o640, 0, 42)}
    return root


def fedora():
    root = common()
    root |= {"": directory(0o555), "usr/lib64": directory(0o555), "run": directory(), "run/lock": directory(),
             "bin": link("usr/bin"), "sbin": link("usr/sbin"), "usr/sbin": link("bin"), "lib": link("usr/lib"),
             "lib64": link("usr/lib64"), "var/run": link("../run"), "var/lock": link("../run/lock"),
             "root": directory(0o550), "usr/tmp": link("../var/tmp"), "usr/bin": directory(0o555),
             "etc/resolv.conf": link("../run/systemd/resolve/stub-resolv.conf"),
             "usr/bin/bash": file("sh", 0o755), "usr/bin/sh": link("bash")}
    return root


def alpine():
    root = common()
    root |= {"bin": directory(), "sbin": directory(), "lib": directory(), "run": directory(),
             "bin/busybox": file("busybox", 0o755), "bin/sh": link("/bin/busybox"), "bin/ls": link("/bin/busybox"),
             "usr/bin/awk": link("/bin/busybox"), "var/run": link("../run"), "var/lock": link("../run/lock"),
             "run/lock": directory(), "etc/mtab": link("../proc/mounts"), "proc": directory(0o555),
             "var/spool": directory(), "var/spool/cron": directory(), "var/spool/mail": link("../mail"),
             "var/mail": directory(), "var/spool/cron/crontabs": link("../../../etc/crontabs"),
             "etc/crontabs": directory()}
    return root


def distroless():
    root = common()
    root |= {"bin": directory(), "lib": link("usr/lib"), "usr/lib64": link("lib"), "lib64": link("usr/lib64"),
             "run": directory(), "var/run": link("/run"), "home/nonroot": directory(0o700, 65532, 65532),
             "etc/os-release": link("../usr/lib/os-release"), "usr/lib/os-release": file("ID=d\n"),
             "etc/ssl": directory(), "etc/ssl/certs": directory()}
    return root


def nix():
    root = {"": directory(), "nix": directory(), "nix/store": directory(0o1775, 0, 30000),
            "nix/store/abc-env": directory(0o555, mtime=1), "nix/store/abc-env/bin": directory(0o555, mtime=1),
            "nix/store/abc-env/bin/sh": file("sh", 0o555, mtime=1), "bin": link("/nix/store/abc-env/bin"),
            "etc": directory(), "etc/static": link("/nix/store/abc-env/etc"), "tmp": directory(0o1777)}
    root |= {"nix/store/abc-env/etc": directory(0o555, mtime=1), "etc/ssl": link("static/ssl"),
             "nix/store/abc-env/etc/ssl": directory(0o555, mtime=1)}
    return root


def little():
    return {"": directory(), "a": directory(0o750, 1, 2), "a/b": directory(0o700, 3, 4), "a/f": file("f")}


SHAPES = [debian, fedora, alpine, distroless, nix, little]


def xattrs(random):
    """No value is empty, because an empty pax record removes the value."""
    if random.random() < 0.85:
        return ()
    return (("user.base", random.choice(["v", "line\nbreak", "="])),)


def random_directory(random):
    mode = random.choice([0o755, 0o755, 0o700, 0o1777, 0o2775, 0o750, 0o555, 0o711])
    uid, gid = random.choice([(0, 0), (0, 0), (1000, 1000), (5, 6), (3000000, 3000001)])
    return directory(mode, uid, gid, random.choice(TIMES), xattrs(random))


def random_file(random):
    uid, gid = random.choice([(0, 0), (0, 0), (1000, 1000)])
    text = random.choice(["", "base", "x" * 600])
    return file(text, random.choice([0o644, 0o755, 0o600, 0o4755]), uid, gid, random.choice(TIMES), xattrs(random))


def directories(root):
    return [path for path, entry in root.items() if entry.kind == "dir"]


def relative(path, at):
    """The target of a link at `at` that leads to `path`."""
    here = parent(at).split("/") if parent(at) else []
    there = path.split("/") if path else []
    while here and there and here[0] == there[0]:
        here.pop(0), there.pop(0)
    return "/".join([".."] * len(here) + there) or "."


def random_target(random, root, at):
    """Most lead to a directory, others to a file, another link, a missing path, a cycle, or out of the root."""
    kind = random.random()
    if kind < 0.55:
        path = random.choice(directories(root))
    elif kind < 0.8:
        path = random.choice(sorted(root))
    elif kind < 0.87:
        path = join(random.choice(directories(root)), random.choice(NAMES) + "-missing")
    elif kind < 0.93:
        path = at
    elif kind < 0.97:
        depth = len(ancestors(at))
        return "/".join([".."] * (depth + random.choice([0, 1, 2])) + [random.choice(["usr", "etc", "a", "usr/bin"])])
    else:
        # Into a directory and back, through a file, with a trailing slash.
        path = random.choice(sorted(root))
        return "/" + path + random.choice(["/..", "/.", "/", "/../.", "//"])
    target = "/" + path if random.random() < 0.5 else relative(path, at)
    return target + random.choice(["", "", "", "", "/", "/."]) if target != "/" else target


def new_path(random, root):
    """A path that may exist or not, whose parent is a directory of the root."""
    return join(random.choice(directories(root)), random.choice(NAMES))


def change(random, root, members):
    """Changes one member of a layer, given as a dict. The root is that of the layers below."""
    existing = [path for path in root if path]
    if not existing:
        root, existing = root | {"a": directory()}, ["a"]
    roll = random.random()
    if roll < 0.25:
        path, entry = new_path(random, root), random_directory(random)
    elif roll < 0.45:
        path = new_path(random, root)
        entry = link(random_target(random, root, path), *random.choice([(0, 0), (7, 8)]))
    elif roll < 0.6:
        path, entry = new_path(random, root), random_file(random)
    elif roll < 0.68:
        # Other attributes for a directory that exists.
        path, entry = random.choice(directories(root)), random_directory(random)
    elif roll < 0.78:
        # A directory replaces a link.
        links = [path for path in existing if root[path].kind == "link"]
        if not links:
            return
        path, entry = random.choice(links), random_directory(random)
        members[join(path, random.choice(NAMES))] = random_file(random)
    elif roll < 0.86:
        # A link replaces a directory, perhaps restoring it.
        path = random.choice([path for path in directories(root) if path] or ["a"])
        entry = link(random_target(random, root, path))
    elif roll < 0.9:
        # A file replaces a directory, or the reverse.
        path = random.choice(existing)
        entry = random_file(random) if root[path].kind == "dir" else random_directory(random)
    elif roll < 0.95:
        path = random.choice(existing)
        path, entry = join(parent(path), WHITEOUT + name(path)), Entry("file", 0o644, data="")
    else:
        path = random.choice(directories(root))
        members[path] = root[path]
        path, entry = join(path, OPAQUE), Entry("file", 0o644, data="")
    members[path] = entry


def special(random, members):
    """Chains of links, cycles, devices, hard links, which single changes seldom create."""
    roll = random.random()
    at = random.choice(["", "etc", "opt"])
    if roll < 0.3:
        length = random.randrange(2, 8)
        names = [join(at, f"chain{i}") for i in range(length)]
        for here, there in zip(names, names[1:]):
            members[here] = link(random.choice(["/" + there, relative(there, here)]))
        end = random.choice(["/usr/bin", "/etc", "/tmp", "/missing", "/etc/passwd", "/" + names[0]])
        members[names[-1]] = link(end)
    elif roll < 0.45:
        members[join(at, "loop1")] = link("loop2")
        members[join(at, "loop2")] = link("/" + join(at, "loop1"))
    elif roll < 0.55:
        members[join(at, "self")] = link("self/deeper")
    elif roll < 0.7:
        members[join(at, "null")] = Entry("char", 0o666, mtime=LONG_AGO, data=(1, 3))
        members[join(at, "pipe")] = Entry("fifo", 0o600, mtime=LONG_AGO)
    elif roll < 0.85:
        members[join(at, "current")] = link("v1")
        members[join(at, "v1")] = random_directory(random)
        members[join(at, "v1/bin")] = link("../v2/bin")
        members[join(at, "v2")] = random_directory(random)
        members[join(at, "v2/bin")] = random_directory(random)
    else:
        members[join(at, "h1")] = random_file(random)
        # With the same attributes, because engines give the file those of the link.
        members[join(at, "h2")] = members[join(at, "h1")]._replace(kind="hard link", data=join(at, "h1"))


def settle(random, root, members):
    """The members in an order that all engines unpack in the same way, and their root. None if there is none."""
    # An entry removes earlier entries of the same layer below it, and a whiteout those at its path.
    for path in list(members):
        entry = members.get(path)
        hides = name(path).startswith(WHITEOUT) and name(path) != OPAQUE
        hidden = join(parent(path), name(path)[len(WHITEOUT):]) if hides else path
        if entry and (hides or entry.kind != "dir"):
            for other in [other for other in members if is_below(other, hidden) or hides and other == hidden]:
                del members[other]
    for path in list(members):
        for above in ancestors(path):
            in_lower = root.get(above)
            if above in members:
                continue
            if in_lower and in_lower.kind != "dir":
                members.pop(path, None)
            elif in_lower and random.random() < 0.8:
                members[above] = in_lower
            elif not in_lower and random.random() < 0.9:
                members[above] = random_directory(random)
    opaque = [parent(path) for path in members if name(path) == OPAQUE]
    for path in opaque:
        kind = members.get(path) or root.get(path)
        if not kind or kind.kind != "dir":
            members.pop(join(path, OPAQUE), None)
    listed = [(path, members[path]) for path in sorted(members, key=order) if members[path] != IMPLIED]
    listed.sort(key=lambda member: member[1].kind == "hard link")
    try:
        return listed, apply_layer(root, listed)
    except Malformed:
        return None


def random_base(random):
    """Layers as lists of members, and their root."""
    count = random.choice([1, 1, 2, 2, 3, 4])
    root, layers = {"": IMPLIED}, []
    for i in range(count):
        members = {}
        if i == 0:
            members = random.choice(SHAPES)()
            if random.random() < 0.2:
                members.pop("")
            lower = dict(members) | {"": directory()}
        else:
            lower = root
        if random.random() < 0.4:
            special(random, members)
        for _ in range(random.randrange(0, 7)):
            change(random, lower, members)
        settled = settle(random, root, members)
        if settled is None:
            continue
        layers.append(settled[0])
        root = settled[1]
    if not layers:
        return random_base(random)
    return layers, root
