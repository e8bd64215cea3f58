"""Prints what becomes of each file of an image, as Python's tarfile reads its layers.

usage: sizes.py LAYOUT

The layout has one image. The output is JSON with the members of `oci-layout inspect --size --json`.
"""

import hashlib
import json
import posixpath
import sys
import tarfile
from pathlib import Path


def blob(layout, digest):
    return layout / "blobs" / digest.replace(":", "/")


def read(layout, digest):
    return json.loads(blob(layout, digest).read_bytes())


class Image:
    def __init__(self):
        self.names = {}  # path -> file, or None for what is no regular file, or "directory"
        self.origin = {}  # path -> the layer that put it there
        self.files = []
        self.layers = []

    def below(self, path):
        return [name for name in self.names if not path or name == path or name.startswith(path + "/")]

    def remove(self, path, layer, state, until):
        for name in self.below(path):
            if self.origin[name] >= until:
                continue
            # A directory that this layer has something in stays.
            if self.names[name] == "directory" and any(self.origin[other] >= until for other in self.below(name)):
                continue
            file = self.names.pop(name)
            del self.origin[name]
            if isinstance(file, dict):
                file["names"] -= 1
                if file["names"] == 0:
                    file["state"], file["by"] = state, layer

    def put(self, path, what, layer):
        parent = posixpath.dirname(path)
        if parent and self.names.get(parent) != "directory":
            self.put(parent, "directory", layer)
        if not (what == "directory" and self.names.get(path) == "directory"):
            self.remove(path, layer, "overwritten", 1 << 30)
        self.names[path], self.origin[path] = what, layer

    def add(self, tar):
        layer, unpacked, entries, whiteouts = len(self.layers), 0, 0, 0
        for member in tar:
            entries += 1
            path = posixpath.normpath(member.name).strip("/")
            folder, name = posixpath.split(path)
            if name == ".wh..wh..opq":
                whiteouts += 1
                for child in self.below(folder):
                    if child != folder:
                        self.remove(child, layer, "deleted", layer)
            elif name.startswith(".wh."):
                whiteouts += 1
                self.remove(posixpath.join(folder, name[4:]), layer, "deleted", layer)
            elif member.islnk():
                file = self.names[posixpath.normpath(member.linkname).strip("/")]
                if isinstance(file, dict):
                    file["names"] += 1
                self.put(path, file, layer)
            elif member.isdir():
                if path != ".":
                    self.put(path, "directory", layer)
            elif member.isreg():
                contents = tar.extractfile(member).read()
                unpacked += len(contents)
                file = {
                    "path": "/" + path, "layer": layer, "size": len(contents), "mode": member.mode & 0o7777,
                    "digest": "sha256:" + hashlib.sha256(contents).hexdigest(),
                    "names": 1, "state": "visible", "by": None,
                }
                self.files.append(file)
                self.put(path, file, layer)
            else:
                self.put(path, None, layer)
        self.layers.append({"entries": entries, "whiteouts": whiteouts, "unpacked": unpacked})


def amount(sizes):
    return {"files": len(sizes), "size": sum(sizes)}


layout = Path(sys.argv[1])
index = json.loads((layout / "index.json").read_bytes())
manifest = read(layout, index["manifests"][0]["digest"])
image = Image()
for layer in manifest["layers"]:
    with tarfile.open(blob(layout, layer["digest"])) as tar:
        image.add(tar)

# A file whose own name was removed is shown by the first of its other names.
nameless = [file for file in image.files if file["state"] == "visible" and image.names.get(file["path"][1:]) is not file]
for file in nameless:
    file["path"] = "/" + min((name for name, what in image.names.items() if what is file), key=lambda name: name.split("/"))
visible = [file for file in image.files if file["state"] == "visible"]
groups = {}
for file in visible:
    if file["size"]:
        groups.setdefault(file["digest"], []).append(file)
groups = [group for group in groups.values() if len(group) > 1]
states = {state: [file["size"] for file in image.files if file["state"] == state] for state in ("overwritten", "deleted")}
print(json.dumps({
    "layers": image.layers,
    "compressed": sum(layer["size"] for layer in manifest["layers"]),
    "unpacked": sum(layer["unpacked"] for layer in image.layers),
    "visible": amount([file["size"] for file in visible]),
    "overwritten": amount(states["overwritten"]),
    "deleted": amount(states["deleted"]),
    "duplicated": amount([file["size"] for group in groups for file in group[1:]]),
    "duplicates": sorted([group[0]["size"], sorted(file["path"] for file in group)] for group in groups),
    "setuid": sorted(file["path"] for file in visible if file["mode"] & 0o6000),
    "files": sorted(
        [file["path"].encode(errors="surrogateescape").decode(errors="replace"), file["layer"], file["size"], file["state"], file["by"], file["digest"]]
        for file in image.files),
}))
