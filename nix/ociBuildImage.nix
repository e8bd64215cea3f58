/**
  Builds an image in one call. It finds the closure of everything that `config`, `files` and `copyToRoot` refer to, and
  splits the closure into layers. One more layer above them, the customisation, contains `files` and `copyToRoot`.

  The result is a layout, with these further attributes: `manifest` (for `ociImageLayout`), `layers`, `fromImage`,
  `imageName` and `imageTag`, and the programs of `ociImageLayout`: `copyToRegistry`, `copyToPodman`,
  `copyToDockerDaemon`, `copyTo` and `push`.

  # Arguments

  - [name] The name of the image without a tag, for example `"ghcr.io/me/app"`.
  - [tag] The tag of the image. `null` is the hash part of the layout's store path, which the attribute `imageTag`
    contains. Default: `null`.
  - [config] The member `config` of the
    [image configuration](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md): `Env`, `Entrypoint`, `Cmd`,
    `Labels` and so on. The case of the member names does not matter. Default: `{ }`.
  - [copyToRoot] A package or a list of packages whose contents are merged at `/`. Default: `[ ]`.
  - [files] As in `ociLayerTar`. The image also contains the closure of what their sources refer to. Default: `[ ]`.
  - [layers] A list of layers (results of `ociLayerTar` and `ociClosureLayers`) that come below all others. The other layers
    omit their contents. They are separate derivations, and do not change when something else changes. Default: `[ ]`.
  - [fromImage] The base image; see `base` of `ociImageConfig`. The layers that this function builds take it as their
    `base` (see `ociLayerTar`), and the customisation is also above those of `layers` that contain more than closures:
    it then depends on their outputs. Set `base` yourself for the layers in `layers`. Default: `null`.
  - [maxLayers] The largest number of layers, including those of the base image. Each element of `layers` counts as one. The
    closure gets at least one layer, even if the base has more. Default: `20`.
  - [created] A time in the format of RFC 3339. `null` is 1970, so that equal contents give an equal image. Default: `null`.
  - [extraConfig] Members of the image configuration other than `config`, for example `author` and `architecture`.
    Default: `{ }`.
  - [extraManifest] As in `ociImageManifest`. Default: `{ }`.
  - [extraIndex] As in `ociImageLayout`. Default: `{ }`.
  - [inheritConfig] As in `ociImageConfig`. Default: `true`.
  - [unsetEnv] As in `ociImageConfig`. Default: `[ ]`.
  - [strict] Whether warnings are errors. Default: `false`.
  - [alone] As in `ociClosureLayers`. Default: `[ ]`.
  - [together] As in `ociClosureLayers`. Default: `[ ]`.
  - [initializeNixDatabase] Whether the image contains the database of the Nix store, in which the store paths of its layers
    are valid, for a Nix that runs in the container. A garbage collection there keeps these paths. Contents of
    `copyToRoot` and `files` are not store paths in the image, and neither are the contents of `fromImage` valid.
    The database counts as one layer. Default: `false`.
  - [sbom] Whether the image gets a bill of materials: `true` or `"cyclonedx"`, `"spdx"`, or `"buildkit"` for the form that
    Docker's tools read. The layout contains it, as a referrer of the image or, with `"buildkit"`, in an index with it. The
    attribute `sbom` of the result is the document, also with `false`. [supply-chain.md](supply-chain.md) explains it.
    Default: `false`.
  - [sbomPackages] Packages with licences and other `meta` for the bill, in addition to those in `copyToRoot`, `files` and
    `layers`: what only a string refers to has none. Default: `[ ]`.
  - [nixUid] The number of the user who owns the store and may add paths, with `initializeNixDatabase`. Default: `0`.
  - [nixGid] The number of the group of the store. Default: `0`.
  - [compression] As in `ociLayerTar`, for all layers that this function builds. It does not affect `layers`.
    Default: `"gzip"`.
  - [lazy] Whether recipes replace all layers: the layers that this function builds are lazy, as in `ociLayerTar`, and
    the layout is sparse, as in `ociImageLayout`. `ociImageLayout { manifests = [ image ]; }` builds a full layout of the
    same image. Default: `false`.
  - [mtime] As in `ociLayerTar`, for the customisation. Default: `1`.
  - [owner] As in `ociLayerTar`, for the customisation. Default: `{ }`.
  - [perms] As in `ociLayerTar`, for the customisation. Default: `[ ]`.
  - [onConflict] As in `ociLayerTar`, for the customisation. Default: `"error"`.
  - [replace] As in `ociLayerTar`, for the customisation. Default: `false`.
  - [keepDirectoryLinks] As in `ociLayerTar`, for the customisation. Default: `false`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociBuildImage {
    name = "hello";
    config.Entrypoint = [ "${hello}/bin/hello" ];
    layers = [ (ociLayerTar { closure = [ glibc ]; }) ];
  }
  ```
*/
{
  database,
  lib,
  ociClosureLayers,
  ociImageLayout,
  ociImageManifest,
  ociLayerTar,
  references,
  sbom,
  storeName,
}@functions:
{
  name,
  tag ? null,
  config ? { },
  copyToRoot ? [ ],
  files ? [ ],
  layers ? [ ],
  fromImage ? null,
  maxLayers ? 20,
  created ? null,
  extraConfig ? { },
  extraManifest ? { },
  extraIndex ? { },
  inheritConfig ? true,
  unsetEnv ? [ ],
  strict ? false,
  alone ? [ ],
  together ? [ ],
  initializeNixDatabase ? false,
  nixUid ? 0,
  nixGid ? 0,
  sbom ? false,
  sbomPackages ? [ ],
  compression ? "gzip",
  lazy ? false,
  mtime ? 1,
  owner ? { },
  perms ? [ ],
  onConflict ? "error",
  replace ? false,
  keepDirectoryLinks ? false,
  passthru ? { },
}:
let
  roots = lib.toList copyToRoot;

  # The image contains what a file's source refers to, but not the source itself. A path without quotes refers to nothing.
  sources = map (file: file.source) (
    builtins.filter (file: file ? source && !(builtins.isPath file.source)) files
  );
  texts = map (
    file:
    removeAttrs file [
      "source"
      "tar"
    ]
  ) files;
  referencesOf =
    references [
      config
      extraConfig
      texts
    ]
    ++ roots
    ++ sources;

  hasCustomisation = files != [ ] || roots != [ ];
  ofClosure =
    maxLayers
    - builtins.length layers
    - (if hasCustomisation then 1 else 0)
    - (if initializeNixDatabase then 1 else 0);

  base = fromImage;
  platform = builtins.intersectAttrs {
    architecture = 0;
    os = 0;
    variant = 0;
  } extraConfig;
  # A layer of closures alone has only directories of the store, so the customisation does not depend on it.
  hasDirectories = layer: !(layer.holdsClosuresAlone or false);

  closure = ociClosureLayers {
    inherit
      referencesOf
      alone
      together
      compression
      strict
      lazy
      base
      platform
      ;
    without = layers;
    maxLayers =
      if ofClosure >= 1 then
        ofClosure
      else
        throw (
          "oci-layout: image ${name}: maxLayers = ${toString maxLayers} leaves no layer for the closure, because "
          + "layers and the customisation count too; set at least ${toString (maxLayers + 1 - ofClosure)}"
        );
  };

  customisation = ociLayerTar {
    inherit
      files
      compression
      mtime
      owner
      perms
      onConflict
      keepDirectoryLinks
      strict
      lazy
      base
      platform
      replace
      ;
    name = "oci-customisation";
    # Without a base image, no layer depends on another.
    above = if fromImage == null then [ ] else builtins.filter hasDirectories layers;
    # The layers below contain these closures. Naming the packages, and not the layers, keeps this layer independent of them.
    copyToRoot = roots;
    without = roots;
  };

  withoutDatabase =
    layers ++ lib.optional (referencesOf != [ ]) closure ++ lib.optional hasCustomisation customisation;
  allLayers =
    withoutDatabase
    ++ lib.optional initializeNixDatabase (database {
      layers = withoutDatabase;
      owner = {
        uid = nixUid;
        gid = nixGid;
      };
      inherit
        compression
        strict
        lazy
        base
        platform
        ;
    });

  manifest = ociImageManifest {
    inherit
      extraManifest
      inheritConfig
      unsetEnv
      strict
      ;
    layers = allLayers;
    base = fromImage;
    passthru = {
      sbom = bill;
      attached = lib.optional (sbom != false) (
        {
          file = "${bill}";
          type = if billFormat == "spdx" then "application/spdx+json" else "application/vnd.cyclonedx+json";
        }
        // lib.optionalAttrs (sbom == "buildkit") { predicateType = "https://spdx.dev/Document"; }
      );
    };
    extraConfig =
      if config != { } && extraConfig ? config then
        throw "oci-layout: image ${name}: config and extraConfig.config exclude each other; move everything into config"
      else
        lib.optionalAttrs (created != null) { inherit created; } // { inherit config; } // extraConfig;
  };

  billFormat = if sbom == "spdx" || sbom == "buildkit" then "spdx" else "cyclonedx";
  bill = functions.sbom {
    image = manifest;
    layers = allLayers;
    packages = sbomPackages;
    format = billFormat;
  };
in
ociImageLayout {
  name = storeName name;
  inherit extraIndex;
  sparse = lazy;
  hashTagged = if tag == null then name else null;
  manifests = if tag == null then [ manifest ] else { "${name}:${tag}" = manifest; };
  passthru =
    passthru
    // {
      inherit manifest fromImage;
      sbom = bill;
      imageName = name;
      layers = allLayers;
    }
    // lib.optionalAttrs (tag != null) { imageTag = tag; };
}
