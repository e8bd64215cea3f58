# A stand-in for NixOS: the options that images take values from, an empty system with systemd, and some services.
{
  lib ? import ../../lib,
  system,
  modules,
  specialArgs ? { },
}:
lib.evalModules {
  inherit specialArgs;
  modules = [
    ../modules/base.nix
    ../modules/systemd.nix
    ../modules/nginx.nix
    ../modules/openssh.nix
    ../modules/postgresql.nix
    ../modules/redis.nix
    ({ config, ... }: {
      _module.args = {
        inherit system;
        inherit (config.nixpkgs) pkgs;
      };
    })
  ]
  ++ modules;
}
