/**
  Builds a self-contained image layout, a folder that `crane push ./result`, `podman run oci:result` and other tools read.
  Lazy layers are built for it.

  The result also has programs for `nix run` that pass its images on. `copyToRegistry`, `copyToPodman`,
  `copyToDockerDaemon` and `copyTo` (any transport of skopeo) start the skopeo or docker on `PATH`; `push` needs neither. The
  argument is the destination, and the first three use the full name of the image by default. The programs read a sparse
  layout of the same images: the full layout is not built, and a lazy layer is built only if the destination lacks it.

  # Arguments

  - [manifests] A list of images, which are results of `ociImageManifest` or `ociBuildImage`. Or an attribute set from
    tags, or full names, to an image or a list of images. Images for different platforms become one multi-platform image
    if they share a tag, or if none has a tag. Default: `[ ]`.
  - [extraIndex] Members of
    [`index.json`](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md). They override
    `schemaVersion` and `mediaType`, but not `manifests`. Default: `{ }`.
  - [hashTagged] An image name without a tag. All images get this name, and the hash part of the layout's store path as the
    tag. Default: `null`.
  - [sparse] Whether the layout contains recipes instead of layers. A recipe says which store path contains the layer, or
    how to build a lazy one; nothing is copied. A sparse layout works for `oci-layout serve`, `push`, `copy` and `export`,
    and as a base. Default: `false`.
  - [gate] Derivations that must be built first, usually checks of the same layout without `gate`. Neither the layout nor
    its programs exist if one of them fails. Default: `[ ]`.
  - [name] The name of the derivation. Default: `"oci-layout"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociImageLayout { manifests = { latest = image; "1.0" = image; everywhere = [ image imageForArm ]; }; }
  ```
*/
{
  app,
  check,
  elements,
  hashPart,
  lib,
  manifestsOf,
  step,
}:
{
  name ? "oci-layout",
  manifests ? [ ],
  extraIndex ? { },
  hashTagged ? null,
  sparse ? false,
  gate ? [ ],
  passthru ? { },
}:
let
  # `names` are additional names of every image.
  images =
    names:
    map (
      image:
      let
        inherit (image) manifest;
      in
      {
        names = image.names ++ names;
        image = "${manifest}";
        attached = if builtins.isAttrs manifest then manifest.attached or [ ] else [ ];
      }
    ) (manifestsOf manifests);

  hasReferrers = builtins.any (
    { attached, ... }: builtins.any (document: !(document ? predicateType)) attached
  ) (images [ ]);

  # A build does not start the programs that it depends on.
  checkOf =
    derivation:
    if derivation ? check || derivation ? meta.mainProgram then
      check.refuse "ociImageLayout: gate" (
        "${derivation.name} is a program, which a build does not start; "
        + (if derivation ? check then "add .check" else "write a check")
      )
    else
      "${check.type "a derivation" (
        value: value.type or null == "derivation"
      ) "ociImageLayout: gate" derivation}";
  gated = lib.optionalAttrs (gate != [ ]) { gate = map checkOf (elements "gate" gate); };

  # A substituter would not be faster than the build.
  small = {
    preferLocalBuild = true;
    allowSubstitutes = false;
  };

  # The programs pass on a sparse layout. If `hashTagged` is set, its images have the hash part of the full layout as a tag.
  sparseOf =
    layout:
    let
      hash = hashPart layout;
    in
    if sparse || hashTagged != null && hash == null then
      "${layout}"
    else
      "${step "image-layout" (
        small
        // gated
        // {
          inherit name extraIndex;
          sparse = true;
          images = images (lib.optional (hashTagged != null) "${hashTagged}:${hash}");
        }
      )}";
  # Recipes read the store, wherever it is.
  store = [
    "--recipe-root"
    builtins.storeDir
  ];
  programs =
    layout:
    let
      handed = sparseOf layout;
    in
    builtins.mapAttrs (_: program: app program.name (program.arguments ++ store)) {
      copyToRegistry = {
        name = "copy-to-registry";
        arguments = [
          "copy"
          "--to"
          "docker"
          handed
        ];
      };
      copyToPodman = {
        name = "copy-to-podman";
        arguments = [
          "copy"
          "--to"
          "containers-storage"
          handed
        ];
      };
      copyToDockerDaemon = {
        name = "copy-to-docker-daemon";
        arguments = [
          "copy"
          "--to"
          "docker-daemon"
          handed
        ];
      };
      copyTo = {
        name = "copy-to";
        arguments = [
          "copy"
          handed
        ];
      };
      push = {
        name = "push";
        arguments = [
          "push"
          handed
        ]
        ++ lib.optional hasReferrers "--referrers";
      };
    };

  tagOf =
    layout:
    let
      hash = hashPart layout;
    in
    if hash == null then
      throw (
        "oci-layout: image ${hashTagged}: the tag is unknown before the build, because the image contains a "
        + "content-addressed package; set tag"
      )
    else
      hash;
in
step "image-layout" (
  {
    inherit
      name
      extraIndex
      hashTagged
      sparse
      ;
    images = images [ ];
    # The references of a sparse layout keep the layers, or their sources, alive.
    unsafeDiscardReferences.out = !sparse;
    passthru =
      layout:
      programs layout
      // lib.optionalAttrs (hashTagged != null) { imageTag = tagOf layout; }
      // passthru
      // {
        inherit manifests;
        index = "${layout}/index.json";
      };
  }
  // lib.optionalAttrs sparse small
  // gated
)
