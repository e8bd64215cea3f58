"""A case: the layers of a base, and the mappings of each step. It is plain data, and is written as JSON."""

import gzip
import hashlib
import io
import json
import os
import random as random_module
import tarfile

import bases
import mappings
from model import Refused, Unclear, layer_above
from root import XATTR, Entry, name


def random_case(seed):
    """One base, and the mappings of one or two layers."""
    case = random_case_of_root(seed)
    if os.geteuid():
        # Only root can change owners.
        own = lambda entry: entry._replace(uid=os.geteuid(), gid=os.getegid())
        for file in (file for step in case["steps"] for file in step["files"]):
            if file["kind"] == "file":
                file["entry"] = own(file["entry"])
            elif file["kind"] == "folder":
                file["members"] = [(path, own(entry)) for path, entry in file["members"]]
    return case


def random_case_of_root(seed):
    random = random_module.Random(seed)
    layers, root = bases.random_base(random)
    case = {"seed": seed, "layers": [], "steps": []}
    for members in layers:
        case["layers"].append({
            "compression": random.choice(["gzip", "none"]), "format": random.choice(["pax", "gnu"]),
            "prefix": random.choice(["", "", "./", "/"]), "members": members,
        })
    case["archive"] = random.random() < 0.1
    for _ in range(random.choice([1, 1, 2])):
        if random.random() < 0.3:
            step = {"files": mappings.random_files(random, root, plain=True), "options": {"replace": True} if random.random() < 0.1 else {}}
        else:
            step = {"files": mappings.random_files(random, root), "options": mappings.random_options(random)}
        step["compression"] = random.choice(["gzip", "none", "zstd"] if len(case["steps"]) else ["gzip", "none"])
        step["by"] = "build" if build_can(step) else "layer-tar"
        # The second layer of an image, instead of a second image.
        step["same_image"] = bool(case["steps"]) and case["steps"][0]["by"] == step["by"] == "layer-tar" \
            and random.random() < 0.5
        # The manifest of both layers needs the permission of either.
        step["replaced_below"] = step["same_image"] and case["steps"][0]["options"].get("replace", False)
        case["steps"].append(step)
        try:
            root = layer_above(root, step["files"], step["options"]).root
        except (Refused, Unclear):
            break
    return case


def build_can(step):
    """Whether `build -f` can express it."""
    return step["options"].keys() <= {"replace"} and all(file["kind"] in ("file", "folder") and "set" not in file
                                       for file in step["files"])


# As JSON, for reproductions.

def to_json(case):
    return json.dumps(case, ensure_ascii=False, indent=1, default=str)


def from_json(text):
    def entry(fields):
        kind, mode, uid, gid, mtime, xattrs, data = fields
        return Entry(kind, mode, uid, gid, mtime, tuple(map(tuple, xattrs)), tuple(data) if isinstance(data, list) else data)

    case = json.loads(text)
    for step in case["steps"]:
        for file in step["files"]:
            if "members" in file:
                file["members"] = [(path, entry(fields)) for path, fields in file["members"]]
            if "entry" in file:
                file["entry"] = entry(file["entry"])
            if isinstance(file.get("set", {}).get("xattrs"), list):
                file["set"]["xattrs"] = tuple(map(tuple, file["set"]["xattrs"]))
        if "owner" in step["options"]:
            step["options"]["owner"] = tuple(step["options"]["owner"])
    for layer in case["layers"]:
        layer["members"] = [(path, entry(fields)) for path, fields in layer["members"]]
    return case


# On the disk.

TYPES = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE,
         "char": tarfile.CHRTYPE, "block": tarfile.BLKTYPE, "fifo": tarfile.FIFOTYPE, "whiteout": tarfile.REGTYPE}


def tar(members, format="pax", prefix=""):
    out = io.BytesIO()
    # GNU's format has no extended attributes.
    needs_pax = any(entry.xattrs for _, entry in members)
    format = tarfile.GNU_FORMAT if format == "gnu" and not needs_pax else tarfile.PAX_FORMAT
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for path, entry in members:
            if entry.kind == "whiteout":
                path = "/".join([*path.split("/")[:-1], ".wh." + name(path)])
            info = tarfile.TarInfo((prefix + path) if path else "./")
            info.type, info.mode, info.mtime = TYPES[entry.kind], entry.mode, entry.mtime
            info.uid, info.gid = entry.uid, entry.gid
            info.pax_headers = {XATTR + key: value for key, value in entry.xattrs}
            data = b""
            if entry.kind == "link":
                info.linkname = entry.data
            elif entry.kind == "hard link":
                info.linkname = prefix + entry.data
            elif entry.kind in ("char", "block"):
                info.devmajor, info.devminor = entry.data
            elif entry.kind == "file":
                data = entry.data.encode("latin-1")
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def write_base(case, path):
    """The base as a layout, made without our own code."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    layers, diff_ids = [], []
    for layer in case["layers"]:
        data = tar(layer["members"], layer["format"], layer["prefix"])
        diff_ids.append("sha256:" + hashlib.sha256(data).hexdigest())
        if layer["compression"] == "gzip":
            layers.append(blob(gzip.compress(data, 1, mtime=0), "layer.v1.tar+gzip"))
        else:
            layers.append(blob(data, "layer.v1.tar"))
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
              "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    config = blob(json.dumps(config).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                "layers": layers}
    manifest = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "base"}
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    if case["archive"]:
        archive = path.with_name(path.name + ".tar")
        with tarfile.open(archive, "w") as out:
            for member in ("oci-layout", "index.json", "blobs"):
                out.add(path / member, member)
        return archive
    return path


def write_entry(path, entry):
    path = os.fspath(path)
    if entry.kind == "dir":
        os.mkdir(path)
    elif entry.kind == "link":
        os.symlink(entry.data, path)
    else:
        with open(path, "wb") as out:
            out.write(entry.data.encode("latin-1"))


def write_attributes(path, entry):
    path = os.fspath(path)
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind != "link":
        os.chmod(path, entry.mode)
        for key, value in entry.xattrs:
            os.setxattr(path, key, value.encode())
    os.utime(path, (entry.mtime, entry.mtime), follow_symlinks=False)


def write_source(file, folder):
    """Creates the source of a mapping in this folder, and returns its path. None if it has no source."""
    if file["kind"] == "file":
        folder.mkdir()
        source = folder / file["name"]
        write_entry(source, file["entry"])
        write_attributes(source, file["entry"])
    elif file["kind"] == "folder":
        source = folder
        for path, entry in file["members"]:
            write_entry(source / path if path else source, entry)
        for path, entry in reversed(file["members"]):
            write_attributes(source / path if path else source, entry)
    elif file["kind"] == "tar":
        source = folder.with_suffix(".tar")
        source.write_bytes(tar(file["members"]))
    else:
        return None
    return source
