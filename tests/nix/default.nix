# The outputs for the tests of the functions: `examples`, each a layout, and others by name.
#
# The arguments are folders with the programs `bin/oci-layout`, `bin/busybox` and `bin/say`, all static.
{
  programs,
  system ? builtins.currentSystem,
  changing ? "as it was\n", # what the test of rebuilding changes
  lib ? ./nixpkgs/lib, # nixpkgs' library, or the stand-in
  debian ? null, # a root file system with s6
  nixos ? null, # nixpkgs with a real NixOS
  nixosNames ? null, # a file with the names of the packages that its modules use
}:
let
  program =
    name:
    builtins.path {
      inherit name;
      path = programs + "/${name}";
    };
  functionsWith =
    arguments:
    import ../../nix (
      {
        inherit system;
        builder = program "oci-layout";
      }
      // arguments
    );
  oci = functionsWith { };
  packages = import ./packages.nix {
    busybox = program "busybox";
    say = program "say";
    util-linux = program "util-linux";
  };
  scope =
    oci
    // packages
    // {
      inherit
        oci
        packages
        functionsWith
        changing
        examples
        ;
      inherit debian nixos nixosNames;
      nixpkgsLib = import lib;
    };

  withoutSuffix = name: builtins.substring 0 (builtins.stringLength name - 4) name;
  examples = builtins.listToAttrs (
    map (file: {
      name = withoutSuffix file;
      value = import (./examples + "/${file}") scope;
    }) (builtins.attrNames (builtins.readDir ./examples))
  );
in
{
  inherit examples oci packages;
  apps = import ./apps.nix scope;
  base = import ./base.nix scope;
  change = import ./change.nix scope;
  check = import ./check.nix scope;
  contentAddressed = import ./content-addressed.nix scope;
  lazy = import ./lazy.nix scope;
  makeImage = import ./make-image.nix scope;
  mistakes = import ./mistakes.nix scope;
  parts = import ./parts.nix scope;
  provenance = import ./provenance.nix scope;
  scan = import ./scan.nix scope;
  scope = import ./scope.nix scope;
  # The output path of each example, without building any.
  paths = builtins.mapAttrs (
    _: example: builtins.unsafeDiscardStringContext example.outPath
  ) examples;
}
