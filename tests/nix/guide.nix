# The examples of the documentation, in `folder`, each with the definitions that it assumes.
{ folder, names }:
let
  busybox = folder + "/nixpkgs/programs/busybox";

  # The packages of nixpkgs that the examples use and the stand-in lacks.
  more =
    final: _:
    let
      package =
        name: script:
        derivation {
          inherit name;
          inherit (final.stdenv.buildPlatform) system;
          builder = "${busybox}/bin/busybox";
          args = [
            "sh"
            "-euc"
            script
          ];
        };
      program =
        name: references: package name "mkdir -p $out/bin; echo ${toString references} > $out/bin/${name}";
    in
    {
      glibc = program "glibc" [ ];
      nginx = program "nginx" [ final.glibc ];
      python3 = program "python3" [ final.glibc ];
      httpie = program "httpie" [ final.python3 ];
      writeShellScript =
        name: text:
        derivation {
          inherit name text;
          inherit (final.stdenv.buildPlatform) system;
          builder = "${busybox}/bin/busybox";
          args = [
            "sh"
            "-euc"
            "printf %s \"$text\" > $out"
          ];
        };
      pkgsCross.aarch64-multiplatform = import nixpkgs {
        crossSystem = "aarch64-linux";
        overlays = [ more ];
      };
    };

  nixpkgs = folder + "/nixpkgs";
  pkgs = import nixpkgs { overlays = [ more ]; };
  oci = import (folder + "/oci-layout") { inherit pkgs; };

  # The values that doc comments call by these names.
  things = rec {
    dependencies = oci.ociLayerTar { closure = [ pkgs.python3 ]; };
    app = oci.ociLayerTar {
      closure = [ pkgs.hello ];
      without = [ dependencies ];
    };
    image = oci.ociImageManifest {
      layers = [
        dependencies
        app
      ];
    };
    imageForArm = oci.ociImageManifest {
      layers = [ ];
      extraConfig.architecture = "arm64";
    };
  };

  value =
    name:
    let
      example = import (folder + "/${name}.nix");
    in
    if builtins.isFunction example then
      example (builtins.intersectAttrs (builtins.functionArgs example) { inherit oci pkgs things; })
    else
      example;

  # The functions themselves are an example, and so is a module. There is nothing to build.
  isBuilt =
    value:
    value ? outPath
    || !(
      assert value ? ociLayerTar || value ? perSystem;
      true
    );
in
builtins.filter isBuilt (map value names)
