scope@{ contents, step, storePath, ... }:
/**
  A closure in several layers, planned and made in one derivation, since only its build can know how many there are.
  It stands in a list of layers as one of them.

  Layers follow the graph of references: lower ones change less often, and an update changes few of them.

  - `closure`: a list of packages, or one, whose runtime closures come in.
  - `referencesOf`: a list of packages that stay out themselves, while the closures of what they refer to come in.
  - `without`: a list of layers, and of packages with their closures, or one, whose store paths are left out.
  - `maxLayers`: the largest number of layers.
  - `base`: an image below, as in `ociImageConfig`, whose layers count within `maxLayers`; at least one is left for the
    closure. The layers are made again when the base is another.
  - `platform`: the platform of the image of `base`, as in `{ os = "linux"; architecture = "arm64"; }`; by default that of
    the packages.
  - `alone`: a list of packages, each of which has a layer for itself.
  - `together`: a list of lists of packages; those of one list have a layer in common.
  - `compression`, `mtime`, `owner`, `perms`, `strict`, `lazy`: as in `ociLayerTar`.
  - `name`, `passthru`: of the derivation.

  ```nix
  ociClosureLayers { closure = [ python3 ]; maxLayers = 10; }
  ```
*/
{ name ? "oci-layers"
, closure ? [ ]
, referencesOf ? [ ]
, without ? [ ]
, maxLayers ? 20
, base ? null
, platform ? if base == null then null else scope.platform { }
, alone ? [ ]
, together ? [ ]
, compression ? "gzip"
, mtime ? 1
, owner ? { }
, perms ? [ ]
, strict ? false
, lazy ? false
, passthru ? { }
}:
let
  holds = contents { inherit closure referencesOf without; };
in
step "closure-layers" (holds.attributes // scope.base base // {
  inherit name maxLayers lazy platform;
  alone = map storePath alone;
  together = map (map storePath) together;
  spec = { inherit compression mtime owner perms strict; };
  unsafeDiscardReferences.out = !lazy;
  passthru = passthru // { inherit (holds) held; };
})
