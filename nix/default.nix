/**
  All functions, as an attribute set, for images that run on `hostSystem` and are built on `system`.

  - `system`: where derivations are built, as in `"x86_64-linux"`.
  - `builder`: a package, or a folder, with `bin/oci-layout`: a static program for `system`, since there is nothing in
    the sandbox to link it with.
  - `hostSystem`: what the images run on, unless they say otherwise.
  - `pkgs`: nixpkgs, for those helpers alone that take something from it: `binSh`, `usrBinEnv`, `caCertificates`.

  ```nix
  import ./oci-layout/nix { system = "x86_64-linux"; builder = ./builder; }
  ```
*/
{ system, builder, hostSystem ? system, pkgs ? null }:
let
  scope = internal // functions // { inherit system builder hostSystem pkgs; };

  # What the functions are made of.
  internal = builtins.mapAttrs (_: file: import file scope) {
    app = ./app.nix;
    base = ./base.nix;
    contents = ./contents.nix;
    elements = ./elements.nix;
    entries = ./entries.nix;
    hashPart = ./hashPart.nix;
    platform = ./platform.nix;
    references = ./references.nix;
    step = ./step.nix;
    storeName = ./storeName.nix;
    storePath = ./storePath.nix;
  };

  functions = builtins.mapAttrs (_: file: import file scope) {
    # The four functions.
    ociLayerTar = ./ociLayerTar.nix;
    ociImageConfig = ./ociImageConfig.nix;
    ociImageManifest = ./ociImageManifest.nix;
    ociImageLayout = ./ociImageLayout.nix;

    # Whole images, and closures in layers.
    ociBuildImage = ./ociBuildImage.nix;
    buildOciImage = ./buildOciImage.nix;
    ociClosureLayers = ./ociClosureLayers.nix;

    # Checks.
    ociVerify = ./ociVerify.nix;

    # Images of registries.
    ociPullImage = ./ociPullImage.nix;
    ociPullImageFromManifest = ./ociPullImageFromManifest.nix;

    # Small packages for the root of an image.
    ociFiles = ./ociFiles.nix;
    fakeNss = ./fakeNss.nix;
    binSh = ./binSh.nix;
    usrBinEnv = ./usrBinEnv.nix;
    caCertificates = ./caCertificates.nix;
  };
in
functions
