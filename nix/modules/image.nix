# `image`: the options that a container of the module for flake-parts has, and further names for some of them.
{
  config,
  lib,
  options,
  pkgs,
  system,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;
  inherit (config) image users;
  definitions = import ./definitions.nix { inherit lib; };
in
{
  options = {
    image =
      removeAttrs (import ../flake-module/options.nix {
        inherit lib pkgs system;
        config = image;
        # NixOS has no such option.
        option = (config.build or { }).place or "image";
        name = throw "oci-layout: ociMakeImage: the image has no name; set image.name";
      }) [ "modules" ]
      // {
        env = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Another name for `environment`.";
        };
        entryPoint = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Another name for `entrypoint`.";
        };
        exposedPorts = mkOption {
          type = types.attrsOf types.raw;
          default = { };
          description = "The attributes are further `ports`, and their values are empty sets.";
          example = {
            "80/tcp" = { };
          };
        };
        from = mkOption {
          type = types.raw;
          default = null;
          description = "Another name for `fromImage`.";
        };
        interactive = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the image contains a shell and the usual programs, for use by hand.";
        };
      };

    environment.systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose programs are on `PATH`. They are `image.dependencies`.";
      example = lib.literalExpression "[ pkgs.coreutils ]";
    };
  };

  config = {
    image = {
      environment = lib.mkMerge [
        (definitions.of options.image.env)
        { PATH = mkDefault (import ../flake-module/path.nix { inherit lib; } image); }
      ];
      labels = lib.mapAttrs (_: mkDefault) (import ../flake-module/labels.nix { inherit lib; } image);
      entrypoint = definitions.of options.image.entryPoint;
      ports = definitions.ofMapped builtins.attrNames options.image.exposedPorts;
      fromImage = definitions.of options.image.from;
      dependencies = config.environment.systemPackages;
    };
    # A declared user has its own numbers.
    build.user =
      if users.users ? ${image.user} then
        {
          uid = users.ids.uidOf "image.user" image.user;
          gid = users.ids.gidOfUser image.user;
        }
      else
        { inherit (image) uid gid; };
    environment.systemPackages = lib.mkIf image.interactive [
      pkgs.bashInteractive
      pkgs.coreutils
    ];
  };
}
