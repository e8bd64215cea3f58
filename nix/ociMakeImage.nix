/**
  Builds an image from modules, as NixOS builds a system: what the image contains, who runs in it, and which services it
  runs. [modules.md](modules.md) is the guide.

  The result is that of `ociBuildImage`, with these further attributes: `config` and `options`, the values and declarations
  of the options; `init`, the package with the program that starts the services, or `null` if no such program is needed;
  `deploy`, which describes a container of the image for podman, Docker, Kubernetes, NixOS and Home Manager
  ([deployment.md](deployment.md)); and `flavours`, the variants that `image.flavours` describes. A variant is the result of
  the call with one more module, that of the flavour, and its `override` repeats this call. Its own `flavours` have both
  names in their tags, as in `1.0-debug-loud`.

  # Arguments

  - [modules] A list of modules: sets, functions from `config`, `lib`, `pkgs` and `options` to sets, and files with either.
  - [specialArgs] Further arguments of modules, also for `imports`. Default: `{ }`.
  - [nixos] nixpkgs as a path, usually `pkgs.path`, for modules of NixOS: the image contains what `modules` add to an empty
    NixOS, without systemd. With `null`, there are only the modules of this library. Default: `null`.

  # Examples

  ```nix
  ociMakeImage { modules = [ ({ pkgs, ... }: { image.name = "hello"; image.package = pkgs.hello; }) ]; }
  ```
*/
{
  arguments,
  hostSystem,
  lib,
  nixpkgsLib,
  ociBuildImage,
  ociClosureLayers,
  ociFiles,
  ociImageLayout,
  ociLayerTar,
  pkgs,
  services,
  storeName,
}:
let
  # `suffix` is that of the flavour.
  imageWith =
    suffix:
    {
      modules,
      specialArgs ? { },
      nixos ? null,
    }:
    let
      # With NixOS, the modules are its modules, and the image takes over what they add.
      nixosModules = [
        ./modules/nixos.nix
        {
          _module.args.nixosSystems = import ./modules/nixos/evaluate.nix {
            lib = nixpkgsLib;
            system = hostSystem;
            inherit
              modules
              nixos
              pkgs
              specialArgs
              ;
          };
        }
      ];
      evaluated =
        if nixpkgsLib == null then
          throw "oci-layout: ociMakeImage needs the module system of nixpkgs; pass pkgs or lib to the functions, as in nix/default.nix"
        else
          nixpkgsLib.evalModules {
            inherit specialArgs;
            modules =
              import ./modules
              ++ [
                {
                  _module.args = {
                    system = hostSystem;
                    pkgs = nixpkgsLib.mkDefault pkgs;
                    startServices = services;
                    inherit ociFiles;
                  };
                }
              ]
              ++ (if nixos == null then modules else nixosModules);
          };
      inherit (evaluated) config options;
      inherit (config) build image;

      failed = builtins.filter (assertion: !assertion.assertion) config.assertions;
      messages = builtins.concatStringsSep "\n" (map (assertion: "- ${assertion.message}") failed);
      checked =
        value:
        if failed != [ ] then
          throw "oci-layout: ociMakeImage: the modules of the image ask for what cannot be:\n${messages}"
        else
          builtins.foldl' (
            value: warning: builtins.trace "oci-layout: warning: ${warning}" value
          ) value config.warnings;

      platform = builtins.replaceStrings [ "-darwin" ] [ "-linux" ] hostSystem;
      owned =
        destination: directory:
        {
          inherit destination;
          directory = true;
        }
        // directory;
      built = import ./ociMakeImage/image.nix {
        lib = nixpkgsLib;
        inherit pkgs;
        inherit (build) place;
        oci = {
          inherit
            ociBuildImage
            ociClosureLayers
            ociLayerTar
            ;
        };
        container = image // build.user;
        tag = builtins.head tags;
        contents = {
          inherit (build) files hasNixDatabase;
          directories = builtins.mapAttrs owned build.directories;
        };
      };
      # The module for flake-parts takes the manifests of several platforms.
      forThisPlatform =
        value:
        if image.platforms == [ platform ] then
          value
        else
          throw "oci-layout: ociMakeImage: image.platforms is ${builtins.concatStringsSep ", " image.platforms}, but the packages are for ${platform}; make an image for each platform, and combine them: ociImageLayout { manifests = [ … ]; }";

      # `ociBuildImage` gives one tag.
      tags = map (tag: tag + suffix) image.tags;
      layout = ociImageLayout {
        name = storeName image.name + suffix;
        sparse = image.lazy;
        manifests = forThisPlatform builtins.listToAttrs (
          map (tag: {
            name = "${image.name}:${tag}";
            value = built.manifest;
          }) tags
        );
        passthru = {
          inherit config options;
          deploy = build.deploy { inherit layout; };
          inherit (build) init;
          inherit (built)
            fromImage
            imageName
            layers
            manifest
            sbom
            ;
          imageTag = builtins.head tags;
          flavours = builtins.mapAttrs (
            name: module:
            lib.makeOverridable (arguments.checked "ociMakeImage" (imageWith "${suffix}-${name}")) {
              inherit nixos specialArgs;
              modules = modules ++ [ module ];
            }
          ) image.flavours;
        };
      };
    in
    checked layout;
in
imageWith ""
