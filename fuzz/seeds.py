#!/usr/bin/env python3
"""Writes the initial inputs for fuzzing: `seeds.py fuzz/corpus` creates a folder for each target."""

import gzip
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

BETWEEN = b"\n==\n"
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."


def member(name, kind=tarfile.REGTYPE, data=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(data), 0o644
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def packed(members, form=tarfile.PAX_FORMAT, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, **options) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    # Python pads to 10 KiB, but two blocks of zeros suffice.
    return out.getvalue().rstrip(b"\0").ljust(-(-len(out.getvalue().rstrip(b"\0")) // 512) * 512, b"\0") + bytes(1024)


def tars():
    plain = [
        member("a/", tarfile.DIRTYPE, mode=0o755),
        member("a/one", data=b"one\n", uid=1000, gid=100, mtime=1_600_000_000),
        member("a/two", tarfile.LNKTYPE, linkname="a/one"),
        member("link", tarfile.SYMTYPE, linkname="a"),
        member("link/three", data=b"3" * 500),
        member("pipe", tarfile.FIFOTYPE),
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("a/.wh.gone"),
        member("b/.wh..wh..opq"),
    ]
    yield "ustar", packed(plain, tarfile.USTAR_FORMAT)
    yield "gnu", packed(plain + [member("n" * 150, data=b"x"), member("l", tarfile.SYMTYPE, linkname="t" * 120),
                                 member("big", uid=1 << 40, mtime=-5)], tarfile.GNU_FORMAT)
    attributes = {"SCHILY.xattr.user.a": "b", "mtime": "1.5", "path": "p/" + "q" * 120, "uid": "3000000"}
    yield "pax", packed(plain[:3] + [member("renamed", data=b"r", pax_headers=attributes)])
    yield "global", packed([member("g", data=b"g")], pax_headers={"comment": "global", "uname": "me"})
    yield "again", packed([member("x", data=b"1"), member("./x", data=b"22"), member("/x/"), member("x", tarfile.DIRTYPE)])
    yield "empty", bytes(1024)
    yield "unended", packed([member("u", data=b"u" * 513)])[:-1024]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/holes", "wb") as holes:
            for at in range(0, 20_000, 3_000):
                holes.seek(at)
                holes.write(b"data")
            holes.truncate(21_000)
        for name, options in [("oldgnu", ["--format=gnu"]), ("pax0", ["--format=pax", "--sparse-version=0.0"]),
                              ("pax1", ["--format=pax", "--sparse-version=0.1"]), ("pax2", ["--format=pax", "--sparse-version=1.0"])]:
            tar = subprocess.run(["tar", "--sparse", "--hole-detection=raw", "-b1", "--mtime=@1", *options, "-cf-", "holes"], cwd=folder,
                                 stdout=subprocess.PIPE, check=True)
            yield f"sparse-{name}", tar.stdout


def config(layers, **more):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"], "Cmd": ["/bin/a"], "User": "1:2"},
                       "rootfs": {"type": "layers", "diff_ids": [f"@u{layer}" for layer in layers]},
                       "history": [{"created_by": "x"} for _ in layers]} | more).encode()


def descriptor(part, media_type, **more):
    text = json.dumps({"mediaType": media_type, "digest": f"@d{part}", "size": -part, **more})
    return text.replace(f'"size": -{part}', f'"size": @s{part}')


def document(kind, **members):
    """JSON in which some members are already serialised."""
    texts = {key: value if isinstance(value, str) and value[:1] in "[{" else json.dumps(value) for key, value in members.items()}
    texts = {"schemaVersion": "2", "mediaType": json.dumps(kind), **texts}
    return ("{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in texts.items()) + "}").encode()


def named(tag):
    return {"org.opencontainers.image.ref.name": tag}


def layouts():
    layer = packed([member("etc/", tarfile.DIRTYPE), member("etc/a", data=b"a\n")])
    index, manifest = OCI + "index.v1+json", OCI + "manifest.v1+json"
    image = lambda first, pack, **more: [
        document(manifest, config=descriptor(first + 1, OCI + "config.v1+json"),
                 layers="[" + descriptor(first + 2, OCI + "layer.v1.tar" + pack) + "]"),
        config([first + 2], **more)]
    one = descriptor(1, manifest, annotations=named("a"))
    for name, pack, prefix in [("plain", "", b"tar:"), ("gzip", "+gzip", b"gz:"), ("zstd", "+zstd", b"zst:")]:
        yield name, [document(index, manifests=f"[{one}]"), *image(1, pack), prefix + layer]
    two = descriptor(5, manifest, platform={"os": "linux", "architecture": "arm64"})
    nested = descriptor(1, index, annotations=named("all"))
    yield "nested", [document(index, manifests=f"[{nested}]"),
                     document(index, manifests="[" + descriptor(2, manifest, platform={"os": "linux", "architecture": "amd64"}) + "," + two + "]"),
                     *image(2, ""), b"tar:" + layer, *image(5, "+gzip", architecture="arm64"), b"gz:" + layer]
    empty = descriptor(5, "application/vnd.oci.empty.v1+json")
    artifact = document(manifest, artifactType="application/x.a", config=empty, layers="[]", subject=descriptor(2, manifest))
    tagged = descriptor(2, manifest, annotations=named("a"))
    yield "artifact", [document(index, manifests=f"[{tagged},{descriptor(1, manifest)}]"), artifact, *image(2, ""),
                       b"tar:" + layer, b"{}"]
    docker = document(DOCKER + "distribution.manifest.v2+json", config=descriptor(2, DOCKER + "container.image.v1+json"),
                      layers="[" + descriptor(3, DOCKER + "image.rootfs.diff.tar.gzip") + "]")
    yield "docker", [document(index, manifests="[" + descriptor(1, DOCKER + "distribution.manifest.v2+json") + "]"), docker,
                     config([3], Healthcheck={"Test": ["NONE"]}), b"gz:" + layer]
    yield "missing", [document(index, manifests=f"[{one}]"), *image(1, "")]
    yield "empty", [document(index, manifests="[]")]


def archives():
    for name, parts in layouts():
        names = b"\n".join([b"index.json", *[b"@"] * (len(parts) - 1), b"oci-layout"])
        yield name, 0, BETWEEN.join([names, *parts])
    layer = packed([member("etc/a", data=b"a\n")])
    save = json.dumps([{"Config": "config.json", "RepoTags": ["a:b"], "Layers": ["one/layer.tar"]}]).encode()
    parts = BETWEEN.join([b"manifest.json\nconfig.json\none/layer.tar", save, config([2]), b"tar:" + layer])
    yield "docker", 0, parts
    yield "docker-gzip", 8, parts
    for name, tar in tars():
        if name in ("ustar", "sparse-oldgnu", "unended"):
            yield f"tar-{name}", 1, tar


def recipes():
    digest = "sha256:" + "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    one = "sha256:2ab1bd3e5e5f6d5b7e6aa1b2e5f1a3c1d8d2a1fd0e0c4b3d7f6a5b4c3d2e1f00"
    for name, path in [("file", "/scratch/files/one"), ("tar", "/scratch/tar"), ("missing", "/scratch/none"), ("other", "/none")]:
        yield name, {"descriptor": {"mediaType": OCI + "layer.v1.tar", "digest": one, "size": 4}, "file": path, "offset": 0}
    spec = {"compression": "none", "files": [{"source": "/scratch/files", "destination": "/a", "mode": "keep"},
                                             {"text": "x", "destination": "/b"}, {"tar": "/scratch/tar", "destination": "/c"}]}
    yield "made", {"descriptor": {"mediaType": OCI + "layer.v1.tar", "digest": digest, "size": 1024}, "diffId": digest,
                   "createdBy": "x", "tar": {"byteFormat": 1, "spec": spec, "size": 1024,
                                             "prefixes": "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=", "entries": "AAAAAQAAAAI="}}


def specs():
    yield "all", {"compression": "none", "mtime": 5, "owner": {"uid": 1, "gid": 2}, "onConflict": "last", "hardLinks": "merge",
                  "perms": [{"glob": "**/*.sh", "mode": "0755", "uid": 3}], "keepDirectoryLinks": True, "exclude": ["*.o", "!a.o"],
                  "files": [{"source": "/scratch/files", "destination": "/srv", "include": ["**/t*"]},
                            {"text": "hello", "destination": "/etc/a", "mode": "0600", "uid": 7, "mtime": -1},
                            {"base64": "AAEC", "destination": "/etc/b", "xattrs": {"user.a": "AAE="}},
                            {"symlink": "../a", "destination": "/etc/c/d"}, {"directory": True, "destination": "/tmp", "mode": "1777"}]}
    yield "tar", {"compression": "none", "files": [{"tar": "/scratch/tar", "destination": "/", "mode": "keep", "exclude": ["files"]}]}
    yield "marks", {"compression": "gzip", "files": [{"whiteout": True, "destination": "/a/b"}, {"opaqueWhiteout": True, "destination": "/c"},
                                                     {"text": "", "destination": "/a/" + "n" * 120, "uid": 1 << 33}]}
    yield "conflict", {"compression": "zstd:3", "onConflict": "first", "strict": True,
                       "files": [{"text": "1", "destination": "/x"}, {"text": "2", "destination": "x/"}, {"text": "3", "destination": "/x/y"}]}


def graphs():
    path = "/nix/store/{:032}-{}".format
    entry = lambda number, name, size, *below: {"path": path(number, name), "narSize": size, "references": [path(*other) for other in below]}
    chain = [entry(1, "a", 5_000_000, (2, "b")), entry(2, "b", 300, (3, "c"), (2, "b")), entry(3, "c", 9 << 20)]
    yield "chain", b"\x00" + json.dumps(chain).encode()
    yield "circle", b"\x02" + json.dumps({"graph": [entry(1, "a", 1, (2, "b")), entry(2, "b", 1, (1, "a"))]}).encode()
    for flags in (1, 3, 5, 7):
        yield f"numbers-{flags}", bytes([flags, 40, 20, 3, 9, 14, 25, 30]) + bytes(number * 37 % 251 for number in range(160))


def requests():
    get = lambda target, *headers: "\n".join([f"GET {target}", *headers]).encode()
    yield "base", get("/v2/")
    yield "catalog", get("/v2/_catalog?n=1&last=a/b")
    yield "tags", get("/v2/a/b/tags/list?n=2&last=latest")
    yield "manifest", get("/v2/a/b/manifests/v1", "Accept: */*", 'If-None-Match: "@manifest"')
    yield "digest", get("/v2/a/b/manifests/@manifest")
    yield "blob", get("/v2/a/b/blobs/@layer")
    yield "range", get("/v2/a/b/blobs/@layer", "Range: bytes=5-9")
    yield "ranges", get("/v2/a/b/blobs/@layer", "Range: bytes=0-0, 5-9,-3", 'If-Range: "@layer"')
    yield "head", b"HEAD /v2/a/b/blobs/@config\nRange: bytes=-5"
    yield "lazy", get("/v2/c/blobs/@lazy", "Range: bytes=1-")
    yield "referrers", get("/v2/c/referrers/@other?artifactType=a%2Fb")
    yield "encoded", get("/v2/a%2Fb/blobs/sha256%3A" + "0" * 64)
    yield "sha512", get("/v2/a/b/blobs/sha512:" + "0" * 128)
    yield "post", b"POST /v2/a/b/blobs/uploads/\nHost: x"
    yield "dots", get("/v2/../a/b/%2e%2e/manifests/v1?n=99999999999999999999")


CHALLENGES = [
    'Bearer realm="https://a.b/token",service="x",scope="repository:a/b:pull"', 'Basic realm="simple", Newauth realm="apps", type=1',
    "Negotiate oY/G+3==, Basic realm=x y", "Bearer realm='r';service=x\nBasic\trealm=\"a\\\"b\"", ", ,:Digest qop=auth, nonce = n"]

NAMES = ["alpine", "me/app:1.0", "localhost:5000/a/b@sha256:" + "0" * 64, "[::1]:80/a:b", "linux/arm64/v8", "windows(10.0.1)/amd64",
         "zstd:19", "gzip", "sha256:" + "a" * 64, OCI + "layer.v1.tar+gzip", DOCKER + "image.rootfs.foreign.diff.tar.gzip", "a..b", "x" * 129]
IMAGE_NAMES = ["shell/git", "arm64/git/htop", "git/arm64", "perlpackages.dbi/openssl.dev", "7zz", "a.b.c.d.e", "a//b", "A", "a${b}",
               "network/debug/shell", "/".join(f"p{number}" for number in range(33)), "a__b--c"]

# The first byte says the language.
DECLARED = {
    "toml": "[" + """[[images]]
name = "a/b"
tags = ["v1", "latest"]
contents = ["shell", "perlPackages.DBI", "c?"]
source = "stable"
platform = "linux/arm64"
user = "1000:1000"
config = { Env = ["A=$PATH"], Cmd = ["a"], ExposedPorts = { "80/tcp" = {} }, Labels = { a = "b" } }
[images.files]
"/etc/a" = "b"
"/etc/c" = { text = "d", mode = "0600" }
""",
    "json": "{" + json.dumps({"images": [{"name": "a", "contents": ["b"], "config": {"Volumes": {"/a": {}}, "StopSignal": "SIGINT"}}]}),
    "yaml": "-images:\n- &a { name: a, contents: [b] }\n- <<: *a\n  tags: [c]\n  files:\n    /a: |\n      b\n",
    "list": "-- name: a\n  contents: [b, network]\n  config: { Entrypoint: [/a], WorkingDir: /a, Env: [A=b] }\n",
    "kubernetes": """-apiVersion: packages.oci-layout/v1alpha1
kind: DeclaredImage
metadata: { name: a }
spec: { contents: [b] }
---
apiVersion: v1
kind: List
items: [{ apiVersion: packages.oci-layout/v1alpha1, kind: DeclaredImage, spec: { name: c, contents: [d] } }]
""",
    "aliases": "-a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nimages: [*c, *c]\n",
    "twice": "{" + '{"images": [{"name": "a", "name": "b", "contents": ["c"]}]}',
}


# Files of `serve --config`. `WHOLE` in src/serve_config/tests.rs has every key.
SERVE_CONFIGS = [
    re.search(r'const WHOLE: &str = r#"(.*?)"#;', pathlib.Path(__file__, "../../src/serve_config/tests.rs").resolve().read_text(), re.DOTALL)[1],
    "[packages]\nsource = \"git:https://example.org/packages\"\n[packages.tags]\n\"v1.0\" = \"stable\"\n",
    "limits = { queu = 1, retry = '1h 30m', closure-size = '8 GiB' }\n",
    "[metapackages]\na.packages = ['b.c', 'd?']\na.files = { '/etc/x' = \"\"\"\nx\n\"\"\" }\na.usr = 1\n",
    "[storage]\nsecret-access-key = 'x'\n",
    "[layouts]\n'a/b' = 'c'\nd = [\n",
]


# Bundles of cosign, and others like them.
SIGNED = pathlib.Path(__file__, "../../tests/library/signature").resolve()
BUNDLES = [(SIGNED / name).read_bytes() for name in ("signature.json", "attestation.json", "ed25519ph.json")]
BUNDLES += [
    re.sub(rb'"sig":"[^"]*"', b'"sig":"MAYCAQECAQE="', BUNDLES[0]),
    b'{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.3","dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MAYCAQECAQE"}]}}',
    b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"' + b"0" * 64 + b'"}},{"digest":{}}],"predicateType":"a:b","predicate":{}}',
]


def all_seeds():
    for name, tar in tars():
        for flags in {"ustar": (0, 1, 2 | 1, 4 | 1)}.get(name, (1,)):
            yield "tar", f"{name}-{flags}", bytes([flags]) + tar
        for flags in {"ustar": (1, 12, 48, 192), "gnu": (192,), "pax": (0, 18)}.get(name, (0,)):
            yield "source_tar", f"{name}-{flags}", bytes([flags]) + tar
    yield "tar", "gzip", b"\0" + gzip.compress(packed([member("z", data=b"z")]), mtime=0)
    for name, parts in layouts():
        yield "document", name, BETWEEN.join(parts)
    for name, flags, data in archives():
        yield "archive", name, bytes([flags]) + data
    for target, values in [("recipe", recipes()), ("spec", specs())]:
        for name, value in values:
            yield target, name, json.dumps(value).encode()
    for name, data in graphs():
        yield "graph", name, data
    for name, data in requests():
        yield "http", name, data
    for number, text in enumerate(CHALLENGES):
        yield "challenge", str(number), text.encode()
    for name, text in DECLARED.items():
        yield "declared", name, text.encode()
    for number, text in enumerate(IMAGE_NAMES):
        yield "image_name", str(number), text.encode()
    for number, text in enumerate(SERVE_CONFIGS):
        yield "serve_config", str(number), text.encode()
    for number, bundle in enumerate(BUNDLES):
        yield "bundle", str(number), bundle
    for number, text in enumerate(NAMES):
        yield "reference", str(number), text.encode()


def main():
    (folder,) = sys.argv[1:]
    for target, name, data in all_seeds():
        os.makedirs(f"{folder}/{target}", exist_ok=True)
        with open(f"{folder}/{target}/{name}", "wb") as file:
            file.write(data)


main()
