/**
  Builds a layer from files and store paths.

  # Arguments

  - [files] A list of files, each an attribute set with the members below. A file does not bring the store paths
    that it refers to: name them in `closure`. Default: `[ ]`.
  - [closure] A package or a list of packages. The layer contains their runtime closures, each path at its own place
    in the store. Default: `[ ]`.
  - [copyToRoot] A package or a list of packages. Their contents are merged at `/`, without a folder `nix-support`,
    and symbolic links are kept. The layer also contains the closure of everything that the contents refer to. It
    contains the package's own store path only if something else in the layer refers to it. Default: `[ ]`.
  - [without] A layer, a package, or a list of both. The layer omits their store paths; a package stands for its
    closure. Default: `[ ]`.
  - [compression] `"gzip"`, `"zstd"`, `"zstd:chunked"`, or `"none"` (also `""`). A level may follow, as in `"zstd:19"`. Default: `"gzip"`.
  - [mtime] The modification time, in seconds since 1970, of every entry that sets none. The Nix store uses the same
    time. Default: `1`.
  - [owner] `{ uid; gid; }` for every entry that sets none. An omitted number is 0. Default: `{ }`.
  - [perms] A list of `{ glob; mode; uid; gid; }`, where all members but `glob` are optional. Each rule changes the
    paths in the layer that match `glob`, for example `"srv/**"`, and later rules win. `*` and `?` do not match `/`;
    `**` does. Default: `[ ]`.
  - [onConflict] Which file wins if two different ones have the same path: `"first"`, `"last"`, or `"error"` for
    neither. Default: `"error"`.
  - [keepDirectoryLinks] Whether a symbolic link stays if another file or package has a directory at the same path. The
    contents of the directory then go to the target of the link, as with `keepContentsDirlinks` in dockerTools.
    Default: `false`.
  - [include] A list of globs. Only paths that match one are taken from source folders and tars. The empty list matches
    all paths. Default: `[ ]`.
  - [exclude] A list of globs. Paths that match one are not taken from source folders and tars. Default: `[ ]`.
  - [hardLinks] `"merge"` (or `true`) stores files with equal bytes once and links them. `"copy"` (or `false`) stores each
    file. Hard links in a `tar` are kept either way. Default: `false`.
  - [unpackLimit] The largest number of bytes that a `tar` may unpack to, including the holes of sparse files. `null` is
    16 GiB. Default: `null`.
  - [strict] Whether warnings are errors, for example about a glob that matches nothing. Otherwise the build log contains
    them. Default: `false`.
  - [lazy] Whether the store keeps a recipe instead of the layer. A recipe has a few kilobytes, and the layer is built
    again from it when it is read. The recipe refers to the sources, so the garbage collector keeps them. A layer with
    a compressed `tar` is always kept itself. Default: `false`.
  - [base] The image below this layer, as in `ociImageConfig`. The layer then behaves as `COPY` in a Dockerfile does. A
    destination that passes through a symbolic link of the base goes to the target of the link, and the link stays. A
    directory of the base keeps its mode, owner, time and extended attributes, unless `files` sets them. Default: `null`.
  - [above] A list of further layers below this one, the lowest first. This layer depends on their outputs.
    Default: `[ ]`.
  - [platform] `{ architecture; os; variant; }`, if the image is for another platform than the packages. It selects one
    image of a base for several platforms. Default: `{ }`.
  - [replace] Whether a file may replace a directory of the layers below, and a directory a file. Otherwise that is an
    error. Default: `false`.
  - [name] The name of the derivation. Default: `"oci-layer"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Files

  Each file has exactly one of these members:

  | member | value | result at the destination |
  |---|---|---|
  | `source` | a package, a path, or a string like `"${hello}/bin/hello"` | the file, or the contents of the folder |
  | `text` | a string | a file with this text |
  | `base64` | a string | a file with these bytes |
  | `symlink` | a path in the image | a symbolic link with this target |
  | `directory` | `true` | a directory |
  | `tar` | like `source` | the entries of this tar, which gzip or zstd may compress |
  | `whiteout` | `true` | a whiteout, which removes the destination of the layers below |
  | `opaqueWhiteout` | `true` | an opaque whiteout, which empties the directory of the layers below |

  Further members are optional:

  | member | value | default |
  |---|---|---|
  | `destination` | a path in the image; a `source` keeps its own name below a destination that ends with `/` | the path of the `source`; the other kinds require it |
  | `mode` | octal digits in a string, for example `"0755"`, or `"keep"` | 0755 or 0644 |
  | `uid`, `gid` | a number; `"keep"` only for a `tar` | `owner` |
  | `mtime` | seconds since 1970, or `"keep"` | `mtime` of the layer |
  | `xattrs` | extended attributes, `{ NAME = BASE64; }`; `"keep"` only for a `tar` | none |
  | `follow` | whether to follow a source that is a symbolic link | `true` |
  | `include`, `exclude` | lists of globs on the paths in a source folder or tar; `!` in `exclude` includes a path again | everything, nothing |

  # Examples

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
{
  contents,
  entries,
  step,
  storePath,
}:
{
  name ? "oci-layer",
  files ? [ ],
  closure ? [ ],
  copyToRoot ? [ ],
  without ? [ ],
  compression ? "gzip",
  mtime ? 1,
  owner ? { },
  perms ? [ ],
  onConflict ? "error",
  keepDirectoryLinks ? false,
  include ? [ ],
  exclude ? [ ],
  hardLinks ? false,
  unpackLimit ? null,
  strict ? false,
  lazy ? false,
  base ? null,
  above ? [ ],
  platform ? { },
  replace ? false,
  passthru ? { },
}:
let
  # The owners that a build sees depend on whether Nix has a daemon and a sandbox.
  keptOfMachine =
    file:
    builtins.filter (name: file.${name} or null == "keep") [
      "uid"
      "gid"
      "xattrs"
    ];

  # `nix-store --optimise` links equal files in the whole store, so hard links in the store say nothing about the package.
  links =
    if hardLinks == "keep" then
      throw "oci-layout: hardLinks = \"keep\" depends on the machine; use \"copy\", \"merge\", or a tar"
    else
      hardLinks;

  # Nix copies a path to the store, where the build can read it. A string that does not start with `/` was meant as a path.
  fromStore =
    file:
    if builtins.isString (file.source or null) && builtins.substring 0 1 file.source != "/" then
      throw "oci-layout: source \"${file.source}\" is a string; write a path without quotes: ./app.conf"
    else if file ? source && keptOfMachine file != [ ] then
      throw (
        "oci-layout: source \"${file.source}\": ${builtins.head (keptOfMachine file)} = \"keep\" depends on the "
        + "machine, except for a tar; omit it, or set a value"
      )
    else
      file
      // builtins.mapAttrs (_: inStore) (
        builtins.intersectAttrs {
          source = 0;
          tar = 0;
        } file
      );

  # Without a sandbox, a build could read a path outside of the store.
  inStore = value: builtins.seq (if value == null then null else storePath value) value;

  holds = contents {
    inherit
      files
      closure
      copyToRoot
      without
      ;
  };
in
step "layer-tar" (
  holds.attributes
  // entries { inherit base above platform; }
  // {
    inherit name lazy;
    spec = {
      files = map fromStore files;
      hardLinks = links;
      inherit
        compression
        mtime
        owner
        perms
        onConflict
        keepDirectoryLinks
        include
        exclude
        unpackLimit
        replace
        strict
        ;
    };
    # The references of a recipe keep its sources alive.
    unsafeDiscardReferences.out = !lazy;
    passthru =
      layer:
      passthru
      // {
        inherit (holds) held;
        holdsClosuresAlone = files == [ ] && holds.attributes.copyToRoot == [ ] && perms == [ ];
        mediaDescriptor = "${layer}/media-descriptor.json";
        diffID = "${layer}/DiffID";
        blobs = "${layer}/blobs";
      };
  }
)
