"""Random mappings for a base, as a user might write them, with destinations that often exist in the base."""

from bases import NAMES, random_target, xattrs
from root import Entry, LinkError, ancestors, follow, join, name, order, parent, parts

MODES = [0o755, 0o644, 0o700, 0o1777, 0o640, 0o4755, 0o400]
TIMES = [0, 5, 1234567890, -1]


def random_files(random, root, plain=False):
    """The mappings of one layer; plain ones are those of `build`."""
    make = random_plain_file if plain else random_file
    files = [make(random, root) for _ in range(random.choice([1, 1, 1, 2, 2, 3, 4]))]
    if not plain and random.random() < 0.25:
        files.insert(random.randrange(len(files) + 1), random_neighbour(random, root, random.choice(files)))
    return files


def random_neighbour(random, root, file):
    """A mapping that interacts with another one: above or below it, or at a link or directory on the way to it."""
    path = "/".join(parts(file["destination"]))
    way = [path, *ancestors(path)]
    for above in list(way):
        # The links on the way, and their targets.
        if above in root and root[above].kind == "link":
            try:
                leads, passed = follow(root, above)
            except LinkError as error:
                leads, passed = error.missing or above, error.links
            way += [leads, *passed]
    path = random.choice([path for path in way if path] or ["etc"])
    roll = random.random()
    if roll < 0.25:
        return {"kind": "whiteout", "destination": "/" + path}
    if roll < 0.35:
        return {"kind": "opaqueWhiteout", "destination": "/" + path}
    if roll < 0.6:
        return {"kind": "symlink", "target": random_target(random, root, path), "destination": "/" + path}
    if roll < 0.75:
        return {"kind": "text", "text": "", "destination": "/" + join(path, random.choice(NAMES))}
    if roll < 0.85:
        return {"kind": "whiteout", "destination": "/" + join(path, random.choice(NAMES))}
    return {"kind": "directory", "destination": "/" + path}


def random_options(random):
    options = {}
    if random.random() < 0.15:
        options["owner"] = random.choice([(1000, 1000), (0, 5)])
    if random.random() < 0.15:
        options["mtime"] = random.choice(TIMES)
    if random.random() < 0.1:
        options["replace"] = True
    return options


def real(root, path):
    """The directory to which the path leads, if it exists."""
    real = ""
    for part in parts(path):
        real = join(real, part)
        if real in root and root[real].kind == "link":
            try:
                real, _ = follow(root, real)
            except LinkError:
                return None
    return real if real in root and root[real].kind == "dir" else None


def random_existing(random, root):
    """A path to an existing entry, often through links, and its resolved path (None if it cannot be resolved)."""
    links = [path for path, entry in root.items() if entry.kind == "link"]
    if links and random.random() < 0.5:
        path = random.choice(links)
    else:
        path = random.choice(sorted(root))
    while random.random() < 0.5:
        # Down into existing directories, with or without links.
        here = real(root, path)
        children = [] if here is None else [name(other) for other in root if other and parent(other) == here]
        if not children:
            break
        path = join(path, random.choice(children))
    return path


def random_destination(random, root, directory):
    """A destination for a directory's contents, or for a file."""
    path = random_existing(random, root)
    if directory:
        if real(root, path) is None and random.random() < 0.8:
            path = parent(path)
        if random.random() < 0.25:
            path = join(path, random.choice(NAMES))
    else:
        if real(root, path) is not None and random.random() < 0.9 or random.random() < 0.1:
            path = join(path, random.choice(NAMES))
        if random.random() < 0.1:
            path = join(path, random.choice(NAMES))
    return random.choice(["/", "/", "/", "", "//", "/./"]) + path or "/"


def random_plain_file(random, root):
    return random_one_file(random, root) if random.random() < 0.5 else random_folder(random, root)


def random_one_file(random, root):
    file = {"kind": "file", "name": random.choice(NAMES), "entry": random_source(random, "file")}
    file["destination"] = random_destination(random, root, False)
    if random.random() < 0.25:
        file["destination"] = random_destination(random, root, True).rstrip("/") + "/"
    return file


def random_folder(random, root):
    destination = random_destination(random, root, True)
    if random.random() < 0.3:
        destination = "/"
    file = {"kind": "folder", "destination": destination}
    file["members"] = random_tree(random, root, real(root, destination))
    if random.random() < 0.3:
        file["destination"] = destination.rstrip("/") + "/"
    return file


def random_file(random, root):
    roll = random.random()
    if roll < 0.2:
        file = random_one_file(random, root)
    elif roll < 0.3:
        file = {"kind": "text", "text": random.choice(["", "text"])}
        file["destination"] = random_destination(random, root, False)
        if random.random() < 0.03:
            file["destination"] += "/"
    elif roll < 0.38:
        file = {"kind": "symlink", "target": random_target(random, root, "new")}
        file["destination"] = random_destination(random, root, False)
    elif roll < 0.48:
        file = {"kind": "directory", "destination": random_destination(random, root, True)}
    elif roll < 0.56:
        file = {"kind": "whiteout", "destination": "/" + random_existing(random, root)}
        if file["destination"] == "/":
            file["destination"] = "/etc"
    elif roll < 0.6:
        file = {"kind": "opaqueWhiteout", "destination": random_destination(random, root, True)}
    else:
        file = random_folder(random, root)
        if random.random() < 0.15:
            file["kind"] = "tar"
            file["members"] = as_tar(random, root, real(root, file["destination"]), file["members"])
    if file["kind"] not in ("whiteout", "opaqueWhiteout") and random.random() < 0.3:
        file["set"] = random_attributes(random)
    return file


def random_attributes(random):
    if random.random() < 0.2:
        return dict.fromkeys(("mode", "uid", "gid", "mtime", "xattrs"), "keep")
    asks = {
        "mode": random.choice([*MODES, "keep"]), "uid": random.choice([0, 1000, 4000000, "keep"]),
        "gid": random.choice([0, 1000, "keep"]), "mtime": random.choice([*TIMES, "keep"]),
        "xattrs": random.choice([(), (("user.set", "s"),), "keep"]),
    }
    return {key: asks[key] for key in asks if random.random() < 0.4}


def random_source(random, kind):
    """A file or directory on the disk."""
    mode = random.choice([0o755, 0o700, 0o1777] if kind == "dir" else [0o644, 0o755, 0o600, 0o700])
    text = random.choice(["", "source", "s" * 513]) if kind == "file" else None
    return Entry(kind, mode, random.choice([0, 1000]), random.choice([0, 1000]), random.choice([3, 1600000000]),
                 xattrs(random), text)


def random_tree(random, root, at, depth=0):
    """The members of a folder, its root first. They often exist at the destination in the base."""
    members = [("", random_source(random, "dir"))]
    names = [name(path) for path in root if path and at is not None and parent(path) == at]
    taken = set()
    for _ in range(random.choice([1, 1, 2, 3])):
        child = random.choice(names) if names and random.random() < 0.7 else random.choice(NAMES)
        if child in taken:
            continue
        taken.add(child)
        here = join(at, child) if at is not None else None
        below = real(root, here) if here is not None else None
        chance = 0.93 if below is not None else 0.12 if here in root else 0.35
        if random.random() < chance and depth < 4:
            below = random_tree(random, root, below, depth + 1)
            members += [(join(child, path), entry) for path, entry in below]
        elif random.random() < 0.75:
            members.append((child, random_source(random, "file")))
        else:
            link = random_source(random, "link")
            members.append((child, link._replace(mode=0o777, data=random_target(random, root, "new"), xattrs=())))
    return sorted(members, key=lambda member: order(member[0]))


def as_tar(random, root, at, members):
    """The same as members of a tar, optionally without some directories, with a whiteout, with a hard link."""
    if random.random() < 0.3:
        members = [member for member in members if member[1].kind != "dir" or random.random() < 0.5]
    if random.random() < 0.3 and members and members[0][0] == "":
        members = members[1:]
    files = [path for path, entry in members if entry.kind == "file"]
    if files and random.random() < 0.3:
        path = random.choice(files)
        at_hard_link = join(parent(path), "hard")
        if at_hard_link not in dict(members):
            members = [*members, (at_hard_link, dict(members)[path]._replace(kind="hard link", data=path))]
    if at is not None and random.random() < 0.2:
        children = [name(path) for path in root if path and parent(path) == at]
        children = [child for child in children if all(path.split("/")[0] != child for path, _ in members)]
        if children:
            members = [*members, (random.choice(children), Entry("whiteout", 0o644))]
    return members
