{ app, elements, hashPart, step, ... }:
/**
  A layout of images, self-contained: what `crane push ./result`, `podman run oci:result` and all others take.

  Lazy layers are made for it. A sparse layout has none of its layers, and is for `oci-layout serve`, `push`, `copy` and
  `export`, and as a base.

  - `manifests`: a list of images (`ociImageManifest` or `ociBuildImage`); or an attribute set of tags
    (or full names) and images, where a value may be a list. Images for different platforms under one tag, or all
    without one, become one image for all of them.
  - `extraIndex`: members of [`index.json`](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md),
    which go over `schemaVersion` and `mediaType`. `manifests` are always the images.
  - `hashTagged`: a name without a tag, which all images get with the hash part of the layout's own store path as the tag.
  - `sparse`: whether recipes take the place of layers, which say where in the store these lie, or how lazy ones are made;
    nothing is copied.
  - `name`, `passthru`: of the derivation.

  The result has programs for `nix run`, which hand the image on: `copyToRegistry`, `copyToPodman`, `copyToDockerDaemon`
  and `copyTo` (any transport of skopeo's), which skopeo or docker do, found on `PATH`, and `push`, which does without
  them. The argument is where to; without one, the first three take the image's full name. For them the images are in a
  sparse layout: the full one is not built, and lazy layers are made if they are not where the image goes.

  ```nix
  ociImageLayout { manifests = { latest = image; "1.0" = image; everywhere = [ image imageForArm ]; }; }
  ```
*/
{ name ? "oci-layout"
, manifests ? [ ]
, extraIndex ? { }
, hashTagged ? null
, sparse ? false
, passthru ? { }
}:
let
  asList = value: if builtins.isList value then value else [ value ];
  # What ociBuildImage makes is a layout, of one image.
  manifestOf = image: if builtins.isAttrs image then image.manifest or image else image;
  named = names: value: map (image: { inherit names image; }) (elements "manifests" (map manifestOf (asList value)));
  isSetOfTags = builtins.isAttrs manifests && !(manifests ? outPath);
  # All images have these names too.
  images = names:
    if isSetOfTags
    then builtins.concatMap (tag: named ([ tag ] ++ names) manifests.${tag}) (builtins.attrNames manifests)
    else named names manifests;

  layout = step "image-layout" ({
    inherit name extraIndex hashTagged sparse;
    images = images [ ];
    # They are what keeps the layers, or their sources.
    unsafeDiscardReferences.out = !sparse;
    passthru = programs // passthru // {
      inherit manifests;
      index = "${layout}/index.json";
    };
  } // (if sparse then small else { }));

  # Nobody else has them sooner than they are made.
  small = { preferLocalBuild = true; allowSubstitutes = false; };

  # What the programs hand on: the same images, also by the tag that is the hash part of the layout's path.
  hash = hashPart layout;
  handed =
    if sparse || hashTagged != null && hash == null then "${layout}"
    else "${step "image-layout" (small // {
      inherit name extraIndex;
      sparse = true;
      images = images (if hashTagged == null then [ ] else [ "${hashTagged}:${hash}" ]);
    })}";
  # Recipes may read the store, wherever it is.
  store = [ "--recipe-root" builtins.storeDir ];
  programs = builtins.mapAttrs (_: program: app program.name (program.arguments ++ store)) {
    copyToRegistry = { name = "copy-to-registry"; arguments = [ "copy" "--to" "docker" handed ]; };
    copyToPodman = { name = "copy-to-podman"; arguments = [ "copy" "--to" "containers-storage" handed ]; };
    copyToDockerDaemon = { name = "copy-to-docker-daemon"; arguments = [ "copy" "--to" "docker-daemon" handed ]; };
    copyTo = { name = "copy-to"; arguments = [ "copy" handed ]; };
    push = { name = "push"; arguments = [ "push" handed ]; };
  };
in
layout
