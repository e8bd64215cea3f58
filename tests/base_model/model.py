"""What a layer makes of its base: the rules of COPY, as a simulation in memory.

The rules are those of `buildah copy` and of Docker's COPY where these agree; where they disagree, or destroy something
of the base without a word, the rule is the one that the comment at its place gives."""

from typing import NamedTuple

from root import OPAQUE, WHITEOUT, Entry, LinkError, NotADirectory, ancestors, is_below, join, name, parent, remove_below, resolve


class Refused(Exception):
    """The program must refuse this. Its message has at least one of `names`, which is empty if any will do."""

    def __init__(self, reason, names=()):
        super().__init__(reason)
        self.names = tuple(names)


class Unclear(Exception):
    """No rule says what is right: the case shows no more than that nothing crashes."""


class Result(NamedTuple):
    root: dict
    """What an engine finds after it unpacked all layers."""
    listed: set
    """The paths that the new layer lists, whiteouts with their markers' names."""


# How much a layer says of a directory: something lies in it; a source folder has it; a mapping says what it looks like.
IMPLIED, FOUND, SAID = range(3)


class Placed(NamedTuple):
    entry: Entry
    certainty: int


def layer_above(base, files, options):
    """The root that the layer of these mappings makes of the base."""
    return Layer(base, files, options).result()


class Layer:
    def __init__(self, base, files, options):
        self.base, self.files = base, files
        self.owner = options.get("owner", (0, 0))
        self.mtime = options.get("mtime", 1)
        self.placed = {}
        # Links of the base that destinations go through, and those that something takes the place of.
        self.passed, self.replaced = set(), set()
        # What is removed, and whether only what is below it is.
        self.whiteouts = {}
        # The base without what this layer's whiteouts remove: they apply to the layers below, wherever they stand.
        self.seen = dict(base)
        self.refused = []

    def result(self):
        for file in self.files:
            if file["kind"] in ("whiteout", "opaqueWhiteout"):
                self.attempt(self.add_whiteout, file["kind"] == "opaqueWhiteout", file["destination"])
            if file["kind"] == "tar":
                for path, entry in file["members"]:
                    if entry.kind == "whiteout":
                        self.attempt(self.add_whiteout, False, join(file["destination"], path))
        for hidden, opaque in self.whiteouts.items():
            remove_below(self.seen, hidden)
            if not opaque:
                self.seen.pop(hidden, None)
        for file in self.files:
            self.attempt(self.add, file)
        self.check_neighbours()
        if self.refused:
            names = [error.names for error in self.refused]
            # Which of several faults the program names is its own affair.
            raise Refused("; ".join(map(str, self.refused)), sum(names, ()) if all(names) else ())
        return self.finish()

    def attempt(self, function, *args):
        try:
            return function(*args)
        except Refused as error:
            self.refused.append(error)

    # Destinations.

    def resolve(self, root, path):
        try:
            return resolve(root, path, True, self.passed)
        except NotADirectory as error:
            raise Refused(error.reason, [name(link) for link in error.links])
        except LinkError as error:
            if error.missing is not None and error.missing in self.lexical():
                raise Unclear("a broken link, whose target a mapping brings")
            raise Refused(f"a link {error.reason}: {error.links}", ["/" + link for link in error.links])

    def lexical(self):
        """All paths that mappings bring or imply, if no link is followed."""
        paths = set()
        for file in self.files:
            if file["kind"] not in ("whiteout", "opaqueWhiteout"):
                for path in [file.get("name") or "", *(path for path, _ in file.get("members", ()))]:
                    path = "/".join(part for part in f"{file['destination']}/{path}".split("/") if part not in ("", "."))
                    paths |= {path, *ancestors(path)}
        return paths

    def land_directory(self, path):
        """A directory goes behind a link, and never replaces what is no directory."""
        real = self.resolve(self.seen, path)
        found = self.seen.get(real)
        if found and found.kind != "dir":
            raise Refused("a directory takes the place of a file", [name(path), name(real)])
        return real

    def land(self, path, kind):
        """A file or link replaces a file or link, and never a directory.

        Of a link to a file, buildah replaces the link, as everything does for the files in a folder; Docker's COPY of
        one file writes to the target. A file that would take the place of a link to a directory is refused, since the
        directory's files would be gone from where programs look for them. A link may take its place: this is how
        links are changed."""
        found = self.seen.get(path)
        if found and found.kind == "dir":
            raise Refused("a file takes the place of a directory", [name(path)])
        if found and found.kind == "link":
            if kind != "link":
                try:
                    leads = self.seen.get(resolve(self.seen, path, True))
                except LinkError:
                    leads = None
                if leads and leads.kind == "dir":
                    raise Refused("a file takes the place of a link to a directory", [name(path)])
            self.replaced.add(path)
        return path

    def land_at_destination(self, destination, kind, file_name):
        if destination.endswith("/"):
            # Into this directory, under its own name; what has none is refused.
            if file_name is None:
                raise Refused("it has no name of its own")
            destination = join(destination.rstrip("/"), file_name)
        elif not destination.strip("/."):
            raise Refused("the root is a directory")
        destination = "/".join(part for part in destination.split("/") if part not in ("", "."))
        real = self.land_directory(parent(destination))
        return self.land(join(real, name(destination)), kind)

    # Mappings.

    def add_whiteout(self, opaque, destination):
        """What is removed is in a directory behind links, and may itself be a link."""
        destination = destination.strip("/")
        above = self.resolve(self.base, destination if opaque else parent(destination))
        if self.base.get(above) and self.base[above].kind != "dir":
            raise Refused("a whiteout below a file", [name(destination), name(above)])
        hidden = above if opaque else join(above, name(destination))
        if not opaque and hidden not in self.base:
            raise Unclear("a whiteout of nothing")
        if self.whiteouts.setdefault(hidden, opaque) != opaque:
            raise Unclear("a whiteout and an opaque whiteout of one directory")

    def add(self, file):
        kind, destination, asks = file["kind"], file["destination"], file.get("set", {})
        if kind == "file":
            path = self.land_at_destination(destination, "file", file["name"])
            self.place(path, self.normal(file["entry"], asks, True))
        elif kind == "text":
            path = self.land_at_destination(destination, "file", None)
            self.place(path, self.normal(Entry("file", 0o644, data=file["text"]), asks, False))
        elif kind == "symlink":
            path = self.land_at_destination(destination, "link", None)
            self.place(path, self.normal(Entry("link", 0o777, data=file["target"]), asks, False))
        elif kind == "directory":
            path = self.land_directory(destination)
            self.place_directory(path, self.normal(Entry("dir", 0o755), asks, False), asks, SAID)
        elif kind == "folder":
            self.add_tree(file, asks, SAID if asks else FOUND)
        elif kind == "tar":
            self.add_tree(file, dict.fromkeys(("mode", "uid", "gid", "mtime", "xattrs"), "keep") | asks, SAID)

    def add_tree(self, file, asks, certainty):
        """Member by member, each directory of the tree behind the links that the base has in its place."""
        destination = self.land_directory(file["destination"])
        members = dict(file["members"])
        places = {"": destination}

        def place(directory):
            # A tar may leave directories out. What is below one that was refused is refused as well.
            if directory not in places:
                places[directory] = self.land_directory(join(place(parent(directory)), name(directory)))
            return places[directory]

        def add(path, entry):
            if entry.kind == "dir":
                self.place_directory(place(path), self.normal(entry, asks, True), asks, certainty)
            elif entry.kind != "whiteout":
                entry = members[entry.data] if entry.kind == "hard link" else entry
                at = self.land(join(place(parent(path)), name(path)), entry.kind)
                self.place(at, self.normal(entry, asks, True))

        for path, entry in file["members"]:
            self.attempt(add, path, entry)

    def normal(self, entry, asks, has_source):
        """The entry as the mapping asks for it, or as the library has it by default."""
        mode, xattrs = asks.get("mode"), asks.get("xattrs")
        executable = entry.kind == "dir" or entry.kind != "link" and entry.mode & 0o100
        if entry.kind == "link":
            mode = 0o777
        elif mode == "keep" and has_source:
            mode = entry.mode
        elif isinstance(mode, int):
            # A mode given for a folder is its files'; who may read a directory may enter it.
            mode |= (mode & 0o444) >> 2 if entry.kind == "dir" and has_source else 0
        else:
            mode = 0o755 if executable else 0o644
        if xattrs == "keep" and has_source:
            xattrs = entry.xattrs
        elif not isinstance(xattrs, tuple):
            xattrs = ()
        numbers = []
        for key, normal in (("uid", self.owner[0]), ("gid", self.owner[1]), ("mtime", self.mtime)):
            asked = asks.get(key)
            numbers.append(getattr(entry, key) if asked == "keep" and has_source else
                           asked if isinstance(asked, int) else normal)
        return entry._replace(mode=mode, uid=numbers[0], gid=numbers[1], mtime=numbers[2], xattrs=xattrs)

    # What is at each path.

    def place(self, path, entry):
        self.place_parents(path)
        old = self.placed.get(path)
        if old and old.entry != entry:
            raise Refused(f"two mappings bring /{path}", [name(path)])
        self.placed[path] = Placed(entry, SAID)

    def place_directory(self, path, entry, asks, certainty):
        found = self.seen.get(path)
        if found:
            # What is there keeps what is not asked to change.
            entry = Entry("dir", **{key: getattr(entry if key in asks else found, key)
                                    for key in ("mode", "uid", "gid", "mtime", "xattrs")})
        self.place_parents(path)
        old = self.placed.get(path)
        if old and (old.entry.kind != "dir" or old.certainty == certainty and old.entry != entry):
            raise Refused(f"two mappings say what /{path} looks like", [name(path)])
        if not old or old.certainty < certainty:
            self.placed[path] = Placed(entry, certainty)

    def place_parents(self, path):
        for above in ancestors(path):
            placed = self.placed.get(above)
            if placed and placed.entry.kind != "dir":
                raise Refused(f"/{above} is no directory in another mapping", [name(above)])
            if not placed:
                self.placed[above] = Placed(self.seen.get(above) or Entry("dir", 0o755, mtime=self.mtime), IMPLIED)

    def check_neighbours(self):
        for link in self.replaced & self.passed & self.placed.keys():
            # Files of this layer would be where the link no longer leads.
            if self.placed[link].entry.data != self.seen[link].data:
                self.refused.append(Refused(f"/{link} is replaced, and something goes through it", [name(link)]))
        for hidden, opaque in self.whiteouts.items():
            for link in self.passed:
                if is_below(link, hidden) or link == hidden and not opaque:
                    raise Unclear("a whiteout of a link that something goes through")
            if not opaque and hidden in self.placed:
                raise Unclear("a whiteout of what the layer itself has")
            if any(is_below(other, hidden) for other in self.whiteouts):
                raise Unclear("a whiteout below a whiteout")

    def finish(self):
        root = dict(self.seen)
        markers = {join(hidden, OPAQUE) if opaque else join(parent(hidden), WHITEOUT + name(hidden))
                   for hidden, opaque in self.whiteouts.items()}
        for marker in markers:
            self.place_parents(marker)
        # The root is there anyway: it has an entry if a mapping says what it looks like.
        placed = {path: placed.entry for path, placed in self.placed.items() if path or placed.certainty == SAID}
        return Result(root | placed, placed.keys() | markers)
