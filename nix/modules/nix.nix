# `nix`: a Nix that works in the container, for one user.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;
  cfg = config.nix;
  word =
    value:
    if builtins.isBool value then
      (if value then "true" else "false")
    else if builtins.isList value then
      builtins.concatStringsSep " " (map word value)
    else
      toString value;
in
{
  options.nix = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether Nix works in the container. The image contains `nix.package` and the database of the store, in which the
        paths of the image are valid, so that a garbage collection keeps them. The store belongs to the user of the image,
        who needs no daemon. Another user of the container can read it.
      '';
    };
    package = mkOption {
      type = types.package;
      default = pkgs.nix;
      defaultText = lib.literalExpression "pkgs.nix";
      description = "The package with the programs of Nix.";
    };
    settings = mkOption {
      type = types.attrsOf types.raw;
      default = { };
      description = ''
        The settings in `/etc/nix/nix.conf`: texts, numbers, booleans and lists of these. By default, builds are not
        sandboxed, because containers usually cannot make a sandbox, and root builds without further users.
      '';
      example = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
      };
    };
  };

  config = lib.mkIf cfg.enable {
    nix.settings = {
      build-users-group = mkDefault "";
      sandbox = mkDefault false;
    };
    environment.systemPackages = [ cfg.package ];
    environment.etc."nix/nix.conf".text = builtins.concatStringsSep "" (
      lib.mapAttrsToList (name: value: "${name} = ${word value}\n") cfg.settings
    );
    build.hasNixDatabase = true;
  };
}
