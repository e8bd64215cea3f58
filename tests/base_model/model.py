"""How a layer changes its base: the rules of COPY, simulated in memory.

The rules are those of `buildah copy` and of Docker's COPY where these agree. Where they disagree, or silently destroy
something of the base, a comment states the rule."""

from typing import NamedTuple

from root import ANY, OPAQUE, WHITEOUT, Entry, LinkError, ancestors, follow, is_below, join, name, parent, parts, remove_below


class Refused(Exception):
    """The program must refuse this. Its message has at least one of `names`, or any text if there are none."""

    def __init__(self, reason, names=()):
        super().__init__(reason)
        self.names = tuple(names)


class Unclear(Exception):
    """No rule decides this: the case only shows that the program does not crash."""


class Result(NamedTuple):
    root: dict
    """The root after all layers are unpacked."""
    listed: set
    """The paths in the new layer, with the markers of whiteouts."""
    optional: set
    """Paths that it may contain: markers that remove nothing."""


ROOT = Entry("dir", 0o755)

# The origin of a directory: something is below it; a source folder has it; a mapping sets its attributes.
IMPLIED, FOUND, SAID = range(3)


class Placed(NamedTuple):
    entry: Entry
    certainty: int


def layer_above(base, files, options):
    """The root after a layer of these mappings on the base.

    Raises Refused or Unclear."""
    def attempt(tars_hide):
        try:
            return Layer(base, files, options, tars_hide).result()
        except Refused as error:
            return error

    result = attempt(True)
    # The program resolves destinations before it reads tars: a whiteout in a tar does not affect other mappings.
    if any(entry.kind == "whiteout" for file in files for _, entry in file.get("members", ())):
        other = attempt(False)
        if isinstance(result, Refused) != isinstance(other, Refused) or \
                not isinstance(result, Refused) and (result.root, result.listed) != (other.root, other.listed):
            raise Unclear("a whiteout in a tar, of what other mappings meet")
        if isinstance(result, Refused):
            raise Refused(str(result), result.names + other.names if result.names and other.names else ())
    if isinstance(result, Refused):
        raise result
    return result


class Layer:
    def __init__(self, base, files, options, tars_hide):
        self.base, self.files, self.tars_hide = base, files, tars_hide
        self.owner = options.get("owner", (0, 0))
        self.mtime = options.get("mtime", 1)
        self.replace = options.get("replace", False)
        self.destinations = ["/".join(parts(file["destination"])) for file in files
                             if file["kind"] not in ("whiteout", "opaqueWhiteout")]
        self.placed = {}
        # Links of the base that destinations follow.
        self.passed = set()
        # The removed paths, and whether only the contents are removed.
        self.whiteouts = {}
        self.optional = set()
        # The base without the paths that this layer's whiteouts remove, at any position.
        self.seen = base
        self.refused = []

    def result(self):
        for file in self.files:
            if file["kind"] in ("whiteout", "opaqueWhiteout"):
                self.attempt(self.add_whiteout, file["kind"] == "opaqueWhiteout", file["destination"])
            if file["kind"] == "tar":
                for path, entry in file["members"]:
                    if entry.kind == "whiteout":
                        self.attempt(self.add_whiteout, False, join(file["destination"], path), True)
        self.seen = self.without({hidden: opaque for hidden, (opaque, in_tar) in self.whiteouts.items()
                                  if self.tars_hide or not in_tar})
        self.whiteouts = {hidden: opaque for hidden, (opaque, _) in self.whiteouts.items()}
        for file in self.files:
            self.attempt(self.add, file)
        self.check_neighbours()
        if self.refused:
            names = [error.names for error in self.refused]
            # The program may report any of several faults.
            raise Refused("; ".join(map(str, self.refused)), sum(names, ()) if all(names) else ())
        return self.finish()

    def without(self, whiteouts):
        root = dict(self.base)
        for hidden, opaque in whiteouts.items():
            remove_below(root, hidden)
            if not opaque:
                root.pop(hidden, None)
        return root

    def attempt(self, function, *args):
        try:
            return function(*args)
        except Refused as error:
            self.refused.append(error)

    # Destinations.

    def resolve(self, path):
        """The resolved path of a directory that exists or will. Each component is a directory, or becomes one."""
        real = ""
        for part in parts(path):
            here = join(real, part)
            found = self.seen.get(here)
            real = here
            if found and found.kind == "link":
                try:
                    real, passed = follow(self.seen, here, self.brings)
                    self.passed |= set(passed)
                except LinkError as error:
                    if not self.replace:
                        raise Refused(f"a link {error.reason}: /{here}", ["/" + link for link in error.links])
            elif found and found.kind != "dir" and not self.replace:
                raise Refused(f"a directory takes the place of a file: /{here}", [part])
        return real

    def brings(self, path):
        """Whether a mapping adds something at the path or below it, so that a link to it is not broken."""
        return any(destination == path or is_below(destination, path) for destination in self.destinations)

    def land(self, path, kind):
        """A file or link replaces a file or link, and never a directory.

        buildah replaces a link to a file, as all tools do for files in a folder. Docker's COPY of one file writes to the
        target. A file that would replace a link to a directory is refused, because the files of the directory would
        no longer be at their usual paths. A link may replace it, which is how links are changed."""
        found = self.seen.get(path)
        if found and found.kind == "dir" and not self.replace:
            raise Refused(f"a file takes the place of a directory: /{path}", [name(path)])
        if found and found.kind == "link" and kind != "link" and not self.replace:
            try:
                follow(self.seen, path, self.brings)
            except LinkError:
                return path
            raise Refused(f"a file takes the place of a link to a directory: /{path}", [name(path)])
        return path

    def land_at_destination(self, destination, kind, file_name):
        if destination.endswith("/"):
            # Into this directory, under its own name. A mapping without a name is refused.
            if file_name is None:
                raise Refused("it has no name of its own")
            destination = join(destination.rstrip("/"), file_name)
        elif not destination.strip("/."):
            raise Refused("the root is a directory")
        destination = "/".join(parts(destination))
        real = self.resolve(parent(destination))
        return self.land(join(real, name(destination)), kind)

    # Mappings.

    def add_whiteout(self, opaque, destination, in_tar=False):
        """Links in the directory of the removed path are followed. The path itself may be a link."""
        destination = "/".join(parts(destination))
        above = self.resolve(destination if opaque else parent(destination))
        hidden = above if opaque else join(above, name(destination))
        if self.replace and any(self.base.get(path, ROOT).kind != "dir" for path in [above, *ancestors(hidden)]):
            raise Unclear("a whiteout below what a directory replaces")
        if self.whiteouts.setdefault(hidden, (opaque, in_tar)) != (opaque, in_tar):
            raise Unclear("two whiteouts of one path, that are not the same")

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
            path = self.resolve(destination)
            self.place_directory(path, self.normal(Entry("dir", 0o755), asks, False), asks, SAID)
        elif kind == "folder":
            self.add_tree(file, asks, SAID if asks else FOUND)
        elif kind == "tar":
            self.add_tree(file, dict.fromkeys(("mode", "uid", "gid", "mtime", "xattrs"), "keep") | asks, SAID)

    def add_tree(self, file, asks, certainty):
        """Member by member. Each directory follows the link that the base has at its path."""
        destination = self.resolve(file["destination"])
        members = dict(file["members"])
        places = {"": destination}

        def place(directory):
            # A tar may omit directories. Members below a refused directory are refused too.
            if directory not in places:
                places[directory] = self.resolve(join(place(parent(directory)), name(directory)))
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
        """The entry with the attributes of the mapping, or the defaults of the library."""
        mode, xattrs = asks.get("mode"), asks.get("xattrs")
        executable = entry.kind == "dir" or entry.kind != "link" and entry.mode & 0o100
        if entry.kind == "link":
            mode = 0o777
        elif mode == "keep" and has_source:
            mode = entry.mode
        elif isinstance(mode, int):
            # The mode of a folder applies to its files. Whoever may read a directory may also enter it.
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

    # The entry at each path.

    def place(self, path, entry):
        self.place_parents(path)
        old = self.placed.get(path)
        if old and old.entry != entry:
            raise Refused(f"two mappings bring /{path}", [name(path)])
        self.placed[path] = Placed(entry, SAID)

    def place_directory(self, path, entry, asks, certainty):
        found = self.found(path)
        if found:
            # An existing entry keeps the attributes that are not set.
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
                self.placed[above] = Placed(self.found(above) or Entry("dir", 0o755, mtime=self.mtime), IMPLIED)

    def found(self, path):
        """The directory in the base, if a layer lists it. Otherwise its attributes are unknown."""
        found = self.seen.get(path)
        return found if found and found.kind == "dir" and found.mtime is not ANY else None

    def check_neighbours(self):
        for link in self.passed:
            for path in (*ancestors(link), link):
                placed = self.placed.get(path)
                if not placed or placed.entry.kind == "dir" or path == link and placed.entry.data == self.base[link].data:
                    continue
                # Files of this layer would be at the old target of the link.
                self.refused.append(Refused(f"/{path} is replaced, and something goes through /{link}", [name(path)]))
            if link not in self.seen and any(is_below(link, hidden) or link == hidden for hidden in self.whiteouts):
                raise Unclear("a whiteout of a link that another whiteout goes through")

    def finish(self):
        root, listed, optional = self.without(self.whiteouts), set(), set()
        for hidden, opaque in self.whiteouts.items():
            marker = join(hidden, OPAQUE) if opaque else join(parent(hidden), WHITEOUT + name(hidden))
            placed = self.placed.get(hidden)
            if not opaque and placed and placed.entry.kind == "dir":
                # If a layer below has a directory with contents, an overlay needs the opaque whiteout.
                optional |= {marker, join(hidden, OPAQUE)}
            elif any(is_below(hidden, other) for other in self.whiteouts) or not opaque and hidden not in self.base:
                # It has no effect, and must not create directories.
                optional.add(marker)
                if any(self.placed[path].entry.kind != "dir" for path in ancestors(marker) if path in self.placed):
                    raise Unclear("a whiteout below a file of this layer, of what is not there")
            else:
                self.place_parents(marker)
                listed.add(marker)
        for path, placed in self.placed.items():
            # The root always exists. It has an entry if a mapping sets its attributes.
            if path or placed.certainty == SAID:
                if placed.entry.kind != "dir":
                    remove_below(root, path)
                root[path] = placed.entry
                listed.add(path)
        for path, placed in self.placed.items():
            if path and placed.entry.kind == "dir":
                root[path] = placed.entry
        return Result(root, listed, optional)
