# The options of images within NixOS, so that one module can set both. Their values go to the modules of the image.
{ system }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
in
{
  options = {
    # NixOS has other images, which `image.modules` describes.
    image = removeAttrs ((import ../image.nix {
      inherit
        config
        lib
        pkgs
        system
        ;
      options = throw "oci-layout: only declarations are used";
    }).options.image
    ) [ "modules" ];
    files = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      description = "Files of the image.";
    };
    s6 = {
      services = mkOption {
        type = types.attrsOf types.deferredModule;
        default = { };
        description = "Services of the image, besides the units of NixOS.";
      };
      enable = mkOption {
        type = types.nullOr types.bool;
        default = null;
        description = "Whether s6 runs the services.";
      };
      packages = mkOption {
        type = types.nullOr (types.listOf types.package);
        default = null;
        description = "The packages that run services.";
      };
    };
  };
}
