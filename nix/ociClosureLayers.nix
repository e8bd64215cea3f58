/**
  Builds several layers from a closure, in one derivation, because only the build knows how many layers there are. The
  result is one element of a list of layers.

  The split follows the graph of references: lower layers change less often, and an update changes few layers.

  # Arguments

  - [closure] A package or a list of packages. The layers contain their runtime closures. Default: `[ ]`.
  - [referencesOf] A package or a list of packages. The layers contain the closures of what they refer to, but not the
    packages themselves. Default: `[ ]`.
  - [without] A layer, a package, or a list of both. The layers omit their store paths; a package stands for its closure.
    Default: `[ ]`.
  - [maxLayers] The largest number of layers, including those of `base`. The closure gets at least one layer.
    Default: `20`.
  - [alone] A list of packages. Each of them gets a layer of its own. Default: `[ ]`.
  - [together] A list of lists of packages. The packages of one list share a layer. Default: `[ ]`.
  - [compression] As in `ociLayerTar`. Default: `"gzip"`.
  - [mtime] As in `ociLayerTar`. Default: `1`.
  - [owner] As in `ociLayerTar`. Default: `{ }`.
  - [perms] As in `ociLayerTar`. Default: `[ ]`.
  - [strict] Whether warnings are errors. Default: `false`.
  - [lazy] As in `ociLayerTar`. Default: `false`.
  - [base] The image below, as in `ociLayerTar`. Its `/nix/store` keeps its attributes. A change of the base builds the
    layers again. Default: `null`.
  - [platform] As in `ociLayerTar`. Default: `{ }`.
  - [name] The name of the derivation. Default: `"oci-layers"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociClosureLayers { closure = [ python3 ]; maxLayers = 10; }
  ```
*/
{
  contents,
  entries,
  step,
  storePath,
}:
{
  name ? "oci-layers",
  closure ? [ ],
  referencesOf ? [ ],
  without ? [ ],
  maxLayers ? 20,
  alone ? [ ],
  together ? [ ],
  compression ? "gzip",
  mtime ? 1,
  owner ? { },
  perms ? [ ],
  strict ? false,
  lazy ? false,
  base ? null,
  platform ? { },
  passthru ? { },
}:
let
  holds = contents { inherit closure referencesOf without; };
in
step "closure-layers" (
  holds.attributes
  // entries { inherit base platform; }
  // {
    inherit name maxLayers lazy;
    alone = map storePath alone;
    together = map (map storePath) together;
    spec = {
      inherit
        compression
        mtime
        owner
        perms
        strict
        ;
    };
    unsafeDiscardReferences.out = !lazy;
    passthru = passthru // {
      inherit (holds) held;
      holdsClosuresAlone = perms == [ ];
    };
  }
)
