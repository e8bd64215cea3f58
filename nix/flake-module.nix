/**
  A module for flake-parts that describes images by options. `perSystem.oci.containers.NAME` defines the package `oci-NAME`,
  and a check of the same name that verifies it. Each of `flavours` also defines `oci-NAME-FLAVOUR`. The package has the
  attributes of `ociImageLayout`, `imageName` and `imageTag`, the first tag, and `deploy`, as `ociMakeImage` describes it.

  `nix run .#oci-copyToPodman-NAME`, `oci-copyToDockerDaemon-NAME`, `oci-copyToRegistry-NAME` and `oci-push-NAME` pass the
  image on. `nix run .#oci-NAME` is the first of them. `nix run .#oci-check-NAME` checks it against `policy`, and
  `oci-TOOL-NAME` scans it by a tool of others. `gate` makes the image depend on its checks: [checks.md](checks.md).

  `perSystem.oci.builder` is the program that builds the images: a package or a folder that contains `bin/oci-layout`. By
  default `pkgs` builds it.

  # Examples

  ```nix
  { perSystem = { pkgs, ... }: { oci.containers.minimalist.package = pkgs.kubectl; }; }
  ```
*/
{
  lib,
  flake-parts-lib,
  withSystem,
  ...
}:
let
  inherit (lib) mkOption types;
in
{
  options.perSystem = flake-parts-lib.mkPerSystemOption (
    {
      config,
      pkgs,
      system,
      ...
    }:
    let
      containerModule =
        {
          config,
          name,
          options,
          ...
        }:
        {
          options =
            import ./flake-module/options.nix {
              inherit
                lib
                config
                name
                pkgs
                system
                ;
            }
            // import ./flake-module/checks.nix { inherit lib pkgs; }
            // {
              allModules = mkOption {
                type = types.listOf types.raw;
                internal = true;
                readOnly = true;
                description = "`modules`, after a module with what the container defines itself.";
              };
            };
          config.allModules = [
            {
              image = (import ./modules/definitions.nix { inherit lib; }).ofContainer name options;
              build.place = "oci.containers.${name}";
            }
          ]
          ++ config.modules;
        };

      # Only the packages come from the other system. The local system builds the images from them.
      imageFor =
        name: platform:
        withSystem platform (
          other:
          let
            container =
              other.config.oci.containers.${name}
                or (throw "oci.containers.${name}: platforms contains ${platform}, but perSystem defines no container of this name there");
            oci = import ./. {
              inherit lib;
              inherit (config.oci) builder;
              inherit (other) pkgs;
              system = pkgs.stdenv.buildPlatform.system;
              hostSystem = other.pkgs.stdenv.hostPlatform.system;
            };
          in
          oci.ociMakeImage { modules = container.allModules; }
        );

      local = import ./. {
        inherit lib;
        inherit (config.oci) builder;
        inherit pkgs;
        system = pkgs.stdenv.buildPlatform.system;
      };
      # Only one platform is scanned: the local one, if the image is for it.
      scannedOf =
        { platforms, ... }:
        lib.findFirst (platform: platform == local.hostSystem) (builtins.head platforms) platforms;

      # The image that `of` chooses, or one of its flavours, for all platforms. It exists only if `gate` succeeds.
      layout =
        name: of: image: suffix: gate:
        let
          container = image.config.image;
          # The path in the registry.
          path = lib.last (builtins.match "([^/]*[.:][^/]*/)?(.*)" container.name);
          imageName = lib.throwIf (lib.toLower path != path) (
            "oci.containers.${name}: the image name ${container.name} must be in lower case; set name"
          ) container.name;
          tags = map (tag: tag + suffix) container.tags;
          imageOn = platform: of (imageFor name platform);
          images = map imageOn container.platforms;
          checkOf = image: image.config.image.healthcheck;
          made = local.ociImageLayout {
            inherit gate;
            name = lib.strings.sanitizeDerivationName "oci-${name}${suffix}";
            sparse = container.lazy;
            manifests = lib.genAttrs (map (tag: "${imageName}:${tag}") tags) (
              _: map (image: image.manifest) images
            );
            passthru = {
              inherit imageName;
              imageTag = builtins.head tags;
              deploy = (imageOn (scannedOf container)).config.build.deploy {
                layout = made;
                # One description is for all platforms, but a program usually has a path for each of them.
                hasOneCheck = builtins.all (image: checkOf image == checkOf (builtins.head images)) images;
              };
            };
          };
        in
        made;
      checked = import ./flake-module/checked.nix {
        inherit lib;
        oci = local;
      };
      # Each image of a container: what defines it, the name of its package, and what `checked` makes of it.
      imagesOf =
        name: container:
        let
          image = local.ociMakeImage { modules = container.allModules; };
          imageFrom =
            source: package: layoutWith:
            {
              inherit package source;
            }
            // checked {
              inherit container layoutWith package;
              inherit ((imageFor name (scannedOf container)).manifest) platform;
            };
          ofFlavour =
            flavour: _:
            let
              of = image: image.flavours.${flavour};
            in
            imageFrom "${name}.flavours.${flavour}" "oci-${name}-${flavour}" (
              layout name of (of image) "-${flavour}"
            );
        in
        [ (imageFrom name "oci-${name}" (layout name (image: image) image "")) ]
        # Only flavours that the container declares become packages: evaluating its modules for their names could need
        # these packages.
        ++ lib.mapAttrsToList ofFlavour container.flavours;
      images = lib.concatLists (lib.mapAttrsToList imagesOf config.oci.containers);
      # The outputs `of` each image. One would silently replace another of the same name.
      outputs =
        kind: of:
        lib.zipAttrsWith
          (
            name: found:
            if builtins.length found == 1 then
              (builtins.head found).value
            else
              throw "oci.containers: ${
                lib.concatMapStringsSep " and " (one: one.source) found
              } define the same ${kind} ${name}; rename one of them"
          )
          (
            map (
              image:
              lib.mapAttrs (_: value: {
                inherit (image) source;
                inherit value;
              }) (of image)
            ) images
          );
      appsOf =
        {
          layout,
          package,
          programs,
          ...
        }:
        let
          name = lib.removePrefix "oci-" package;
          app = program: description: {
            inherit program;
            meta = { inherit description; };
          };
          toPodman = app layout.copyToPodman "Copies the image ${name} to the storage of podman";
        in
        {
          # Without this app, `nix run .#oci-NAME` would look for a program in the layout.
          ${package} = toPodman;
          "oci-copyToPodman-${name}" = toPodman;
          "oci-copyToDockerDaemon-${name}" =
            app layout.copyToDockerDaemon "Copies the image ${name} to the Docker daemon";
          "oci-copyToRegistry-${name}" =
            app layout.copyToRegistry "Copies the image ${name} to a registry by skopeo";
          "oci-push-${name}" = app layout.push "Pushes the image ${name} to a registry";
        }
        // lib.mapAttrs (_: program: app program "Checks the image ${name}") programs;
    in
    {
      options.oci = {
        builder = mkOption {
          type = types.either types.package types.path;
          default = pkgs.buildPackages.callPackage ./package.nix { };
          defaultText = lib.literalMD "the program, which `pkgs` builds";
          description = "The program that builds the images: a package or a folder that contains `bin/oci-layout`.";
        };
        containers = mkOption {
          type = types.attrsOf (types.submodule containerModule);
          default = { };
          description = "The containers to build images for.";
          example = lib.literalExpression "{ minimalist.package = pkgs.kubectl; }";
        };
      };

      config = {
        packages = outputs "package" (image: {
          ${image.package} = image.layout;
        });
        apps = outputs "app" appsOf;
        checks = outputs "check" (image: image.checks);
      };
    }
  );
}
