{ contents, entries, step, storePath, ... }:
/**
  A layer: files and store paths, in a tar.

  - `files`: a list of files, each an attribute set; the tables below have its members. What a file refers to does not
    come with it: that is what `closure` is for.
  - `closure`: a list of packages, or one, whose runtime closures come in, each path at its own place in the store.
  - `copyToRoot`: a list of packages, or one, whose contents land at `/`, merged, links staying links, with the closure of what
    they refer to. The package's own store path comes only if something that is in refers to it. A folder `nix-support`
    is left out.
  - `without`: a list of layers, and of packages with their closures, or one, whose store paths are left out.
  - `compression`: `"gzip"`, `"zstd"` or `"none"` (or `""`), with a level if wanted, as in `"zstd:19"`.
  - `mtime`: the time of modification of all that has none of its own, in seconds since 1970; 1, as in the store.
  - `owner`: `{ uid; gid; }` of all that has none of its own; root.
  - `perms`: a list of `{ glob; mode; uid; gid; }`, all but `glob` if wanted, applied one after the other to the paths
    that match, as in `"srv/**"`. `*` and `?` do not cross a slash, `**` does.
  - `onConflict`: which of two different files at one path wins: `"error"` (none does), `"first"` or `"last"`.
  - `keepDirectoryLinks`: whether a symbolic link keeps its place where another file or package has a directory: what is in
    the directory lands where the link leads, as with `keepContentsDirlinks` of dockerTools.
  - `include`, `exclude`: lists of globs on paths in every source folder and tar.
  - `hardLinks`: `"merge"` (or `true`) makes one of files with the same bytes, `"copy"` (or `false`) leaves them as they
    are. A tar keeps its hard links.
  - `unpackLimit`: how many bytes a `tar` may unpack to, and the holes of its sparse files may have; `null` is 16 GiB.
  - `strict`: whether warnings, as of a glob that matches nothing, are errors. Otherwise they are in the log of the build.
  - `lazy`: whether the store keeps a recipe in the place of the layer: some kilobytes, from which the layer is made again
    when somebody reads it. It refers to the sources, and so they stay. With a compressed `tar` in it, a layer is kept
    itself.
  - `base`: the image that the layer comes above, as in `ociImageConfig`. The layer then does what `COPY` does in a
    Dockerfile: a destination that passes through a symbolic link of the base lands where the link leads, and the link
    stays; a directory that the base has keeps its mode, owner, time and extended attributes, unless a file of the list
    sets them.
  - `above`: a list of layers, the lowest first, that this one comes above as well. It depends on their outputs then.
  - `platform`: `{ architecture; os; variant; }`, if the image is for another platform than the packages; it chooses the
    image in a base for several.
  - `replace`: whether a file may replace a directory of the layers below, and a directory a file. Otherwise that is an
    error.
  - `name`, `passthru`: of the derivation.

  A file is exactly one of these:

  | member | value | what lands at the destination |
  |---|---|---|
  | `source` | a package, a path, a string like `"${hello}/bin/hello"` | the file, or the contents of the folder |
  | `text` | a string | a file with this text |
  | `base64` | a string | a file with these bytes |
  | `symlink` | a path in the image | a symbolic link with this target |
  | `directory` | `true` | a directory |
  | `tar` | as `source` | what is in this tar, which may be compressed by gzip or zstd |
  | `whiteout` | `true` | the mark that removes the destination from the layers below |
  | `opaqueWhiteout` | `true` | the mark that empties the directory of what the layers below have in it |

  and has, beside that:

  | member | value | without it |
  |---|---|---|
  | `destination` | a path in the image; with a slash at its end, the directory that a `source` lands in under its own name | the path of the `source`; anything else needs one |
  | `mode` | octal digits in a string, as in `"0755"`; or `"keep"` | 0755 or 0644 |
  | `uid`, `gid` | a number; of a `tar` also `"keep"` | `owner` |
  | `mtime` | seconds since 1970, or `"keep"` | that of the layer |
  | `xattrs` | extended attributes, `{ NAME = BASE64; }`; of a `tar` also `"keep"` | none |
  | `follow` | whether a source that is a symbolic link is followed | `true` |
  | `include`, `exclude` | lists of globs on paths in a source folder or tar; `!` in `exclude` takes back | everything, nothing |

  ```nix
  ociLayerTar {
    closure = [ nginx ];
    files = [
      { source = ./nginx.conf; destination = "/etc/nginx.conf"; }
      { directory = true; destination = "/tmp"; mode = "1777"; }
    ];
  }
  ```
*/
{ name ? "oci-layer"
, files ? [ ]
, closure ? [ ]
, copyToRoot ? [ ]
, without ? [ ]
, compression ? "gzip"
, mtime ? 1
, owner ? { }
, perms ? [ ]
, onConflict ? "error"
, keepDirectoryLinks ? false
, include ? [ ]
, exclude ? [ ]
, hardLinks ? false
, unpackLimit ? null
, strict ? false
, lazy ? false
, base ? null
, above ? [ ]
, platform ? { }
, replace ? false
, passthru ? { }
}:
let
  # A build sees other owners where Nix has a daemon, or no sandbox.
  keptOfMachine = file: builtins.filter (name: file.${name} or null == "keep") [ "uid" "gid" "xattrs" ];

  # `nix-store --optimise` makes hard links of equal files of the store, wherever they are.
  links =
    if hardLinks == "keep"
    then throw "oci-layout: hardLinks = \"keep\" depends on the machine: say \"copy\" or \"merge\", or give a tar"
    else hardLinks;

  # What a build can read: Nix copies a path to the store, and does not know that a text is one.
  fromStore = file:
    if builtins.isString (file.source or null) && builtins.substring 0 1 file.source != "/"
    then throw "oci-layout: source \"${file.source}\" is a text: write a path without quotes, as in ./app.conf"
    else if file ? source && keptOfMachine file != [ ]
    then throw ("oci-layout: source \"${file.source}\": ${builtins.head (keptOfMachine file)} = \"keep\" depends on the "
      + "machine, but for a tar: leave it out, or say what it shall be")
    else file // builtins.mapAttrs (_: inStore) (builtins.intersectAttrs { source = 0; tar = 0; } file);

  # Without a sandbox, a build would read whatever lies elsewhere.
  inStore = value: builtins.seq (if value == null then null else storePath value) value;

  holds = contents { inherit files closure copyToRoot without; };
  layer = step "layer-tar" (holds.attributes // entries { inherit base above platform; } // {
    inherit name lazy;
    spec = {
      files = map fromStore files;
      hardLinks = links;
      inherit compression mtime owner perms onConflict keepDirectoryLinks include exclude unpackLimit replace strict;
    };
    # It is the references of a recipe that keep the sources.
    unsafeDiscardReferences.out = !lazy;
    passthru = passthru // {
      inherit (holds) held;
      holdsClosuresAlone = files == [ ] && holds.attributes.copyToRoot == [ ] && perms == [ ];
      mediaDescriptor = "${layer}/media-descriptor.json";
      diffID = "${layer}/DiffID";
      blobs = "${layer}/blobs";
    };
  });
in
layer
