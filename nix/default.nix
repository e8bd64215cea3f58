/**
  All functions, for images that run on `hostSystem` and are built on `system`.

  The result is a scope, as `lib.makeScope` of nixpkgs makes it. `overrideScope` changes an attribute for all functions
  that use it, and adds attributes. `callPackage` calls the function in a file with the attributes of the scope.

  Every function returns a derivation that has the attribute `override`, which repeats the call with some arguments
  changed: `image.override { tag = "2.0"; }` or `image.override (old: { layers = old.layers ++ [ more ]; })`. `overrideAttrs`
  changes attributes of the derivation, as in nixpkgs: `image.overrideAttrs { meta.description = "…"; }`.

  # Arguments

  - [system] The system that builds the derivations, for example `"x86_64-linux"`.
  - [builder] A package or a folder that contains `bin/oci-layout`. The program must run on `system` in a sandbox: it is
    static, or the folder is a package whose closure contains its libraries.
  - [hostSystem] The system that the images run on. Default: `system`.
  - [pkgs] nixpkgs. Only `binSh`, `usrBinEnv`, `caCertificates`, modules, `ociTestImage` and `ociScanImage` use it. Default: `null`.
  - [lib] The library of nixpkgs, whose module system `ociMakeImage` uses. Default: `pkgs.lib or null`.

  # Examples

  ```nix
  import ./oci-layout/nix { system = "x86_64-linux"; builder = ./builder; }
  ```

  All layers that `ociBuildImage` makes use zstd, unless a call says otherwise:

  ```nix
  oci.overrideScope (final: prev: {
    ociBuildImage = arguments: prev.ociBuildImage ({ compression = "zstd"; } // arguments);
  })
  ```
*/
{
  system,
  builder,
  hostSystem ? system,
  pkgs ? null,
  lib ? pkgs.lib or null,
}:
let
  nixpkgsLib = lib;
in
let
  # Everything but modules works without nixpkgs.
  lib = import ./internal/lib.nix;
in
lib.makeScope lib.callPackageWith (
  self:
  let
    call = self.newScope ({ inherit lib nixpkgsLib; } // internal);

    # The functions below use these. They are not part of the scope that callers see.
    internal = builtins.mapAttrs (_: file: call file { }) {
      app = ./internal/app.nix;
      arguments = ./internal/arguments.nix;
      baseAttributes = ./internal/baseAttributes.nix;
      check = ./internal/check.nix;
      configuration = ./internal/configuration.nix;
      contents = ./internal/contents.nix;
      database = ./internal/database.nix;
      elements = ./internal/elements.nix;
      entries = ./internal/entries.nix;
      files = ./internal/files.nix;
      hashPart = ./internal/hashPart.nix;
      manifestsOf = ./internal/manifestsOf.nix;
      platformOf = ./internal/platformOf.nix;
      references = ./internal/references.nix;
      sbom = ./internal/sbom.nix;
      services = ./internal/services.nix;
      step = ./internal/step.nix;
      storeName = ./internal/storeName.nix;
      storePath = ./internal/storePath.nix;
    };

    checked = name: file: lib.makeOverridable (internal.arguments.checked name (call file { }));
    functions = builtins.mapAttrs checked {
      # The four basic functions.
      ociLayerTar = ./ociLayerTar.nix;
      ociImageConfig = ./ociImageConfig.nix;
      ociImageManifest = ./ociImageManifest.nix;
      ociImageLayout = ./ociImageLayout.nix;

      # Whole images, and closures in several layers.
      ociBuildImage = ./ociBuildImage.nix;
      buildOciImage = ./buildOciImage.nix;
      ociClosureLayers = ./ociClosureLayers.nix;

      # Images from modules.
      ociMakeImage = ./ociMakeImage.nix;

      # Checks.
      ociVerify = ./ociVerify.nix;
      ociCheckImage = ./ociCheckImage.nix;
      ociTestImage = ./ociTestImage.nix;
      ociScanImage = ./ociScanImage.nix;

      # Provenance.
      ociProvenance = ./ociProvenance.nix;

      # Images from registries.
      ociPullImage = ./ociPullImage.nix;
      ociPullImageFromManifest = ./ociPullImageFromManifest.nix;

      # Small packages for the root of an image.
      ociFiles = ./ociFiles.nix;
    };

    packages = builtins.mapAttrs (_: file: call file { }) {
      binSh = ./binSh.nix;
      usrBinEnv = ./usrBinEnv.nix;
      caCertificates = ./caCertificates.nix;
      fakeNss = ./fakeNss.nix;

      # Ready images.
      images = ./images.nix;
    };
  in
  functions
  // packages
  // {
    inherit
      system
      builder
      hostSystem
      pkgs
      ;
    # A call is a shorter way to write `override`.
    fakeNss = packages.fakeNss // {
      __functor = fakeNss: fakeNss.override;
    };
    # Each of them has `override`, and the set is nothing but images.
    images = removeAttrs packages.images [ "override" ];
  }
)
