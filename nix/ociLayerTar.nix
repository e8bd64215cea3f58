{ contents, step, ... }:
/**
  A layer: files and store paths, in a tar.

  - `files`: a list of files. Each is an attribute set with exactly one of `source` (a file, or a folder whose contents
    land in the destination), `text`, `base64`, `symlink` (the link's target), `directory = true`, `whiteout = true`,
    `opaqueWhiteout = true` and `tar` (an existing tar, plain or compressed); with `destination`, which only `source`
    does without (its own path then); and, if wanted, `mode` (octal digits, as in `"0755"`), `uid`, `gid`, `mtime`,
    `xattrs` (each a value or `"keep"`), `follow`, `include` and `exclude` (globs).
  - `closure`: packages whose runtime closures come in, each path at its own place in the store.
  - `copyToRoot`: packages whose contents land at `/`, merged, links staying links, with the closure of what they refer
    to. The package's own store path comes only if something that is in refers to it. A folder `nix-support` is left out.
  - `without`: layers, and packages with their closures, whose store paths are left out.
  - `compression`: `"gzip"`, `"zstd"` or `"none"` (or `""`), with a level if wanted, as in `"zstd:19"`.
  - `mtime`: the time of modification of all that has none of its own, in seconds since 1970; 1, as in the store.
  - `owner`: `{ uid; gid; }` of all that has none of its own; root.
  - `perms`: a list of `{ glob; mode; uid; gid; }` that go over whatever paths match, one after the other.
  - `onConflict`: which of two different files at one path wins: `"error"`, `"first"` or `"last"`.
  - `hardLinks`: whether files with the same bytes become one.
  - `name`, `passthru`: of the derivation.

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
, hardLinks ? false
, passthru ? { }
}:
let
  holds = contents { inherit files closure copyToRoot without; };
  layer = step "layer-tar" (holds.attributes // {
    inherit name;
    spec = { inherit files compression mtime owner perms onConflict hardLinks; };
    unsafeDiscardReferences.out = true;
    passthru = passthru // {
      inherit (holds) held;
      mediaDescriptor = "${layer}/media-descriptor.json";
      diffID = "${layer}/DiffID";
      blobs = "${layer}/blobs";
    };
  });
in
layer
