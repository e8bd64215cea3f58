{ contents, entries, step, storePath, ... }:
/**
  A closure in several layers, planned and made in one derivation, since only its build can know how many there are.
  It stands in a list of layers as one of them.

  Layers follow the graph of references: lower ones change less often, and an update changes few of them.

  - `closure`: a list of packages, or one, whose runtime closures come in.
  - `referencesOf`: a list of packages that stay out themselves, while the closures of what they refer to come in.
  - `without`: a list of layers, and of packages with their closures, or one, whose store paths are left out.
  - `maxLayers`: the largest number of layers.
  - `alone`: a list of packages, each of which has a layer for itself.
  - `together`: a list of lists of packages; those of one list have a layer in common.
  - `compression`, `mtime`, `owner`, `perms`, `strict`, `lazy`, `platform`: as in `ociLayerTar`.
  - `base`: an image below, as in `ociLayerTar`; its `/nix/store` keeps its attributes. Its layers count within
    `maxLayers`; at least one is left for the closure. The layers are made again when the base is another.
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
, alone ? [ ]
, together ? [ ]
, compression ? "gzip"
, mtime ? 1
, owner ? { }
, perms ? [ ]
, strict ? false
, lazy ? false
, base ? null
, platform ? { }
, passthru ? { }
}:
let
  holds = contents { inherit closure referencesOf without; };
in
step "closure-layers" (holds.attributes // entries { inherit base platform; } // {
  inherit name maxLayers lazy;
  alone = map storePath alone;
  together = map (map storePath) together;
  spec = { inherit compression mtime owner perms strict; };
  unsafeDiscardReferences.out = !lazy;
  passthru = passthru // { inherit (holds) held; holdsClosuresAlone = perms == [ ]; };
})
