# Images from modules: `images` are built, `claims` are true, and `mistakes` stop the evaluation.
{
  functionsWith,
  nixpkgsLib,
  packages,
  ...
}:
let
  pkgs = {
    lib = nixpkgsLib;
    inherit (packages) busybox;
    # Evaluation only needs their names.
    s6 = packages.package "s6-2.11.3.2" "mkdir $out";
    execline = packages.package "execline-2.9.3.0" "mkdir $out";
    coreutils = packages.package "coreutils" "mkdir -p $out/bin; echo > $out/bin/ls";
    bashInteractive = packages.package "bash" "mkdir -p $out/bin; echo > $out/bin/bash";
    hello = packages.greet // {
      version = "1.0";
      meta.mainProgram = "greet";
    };
  };
  oci = functionsWith { inherit pkgs; };
  make = module: oci.ociMakeImage { modules = nixpkgsLib.toList module; };
  # An image whose name does not matter.
  named =
    module:
    make [
      { image.name = "box"; }
      module
    ];
  scope = {
    inherit
      functionsWith
      make
      named
      oci
      packages
      pkgs
      ;
    lib = nixpkgsLib;
  };
  mistakes = import ./make-image/mistakes.nix scope;
in
{
  claims = import ./make-image/claims.nix scope;
  images = import ./make-image/images.nix scope;
  inherit mistakes;
  # `mistakes` cannot be evaluated as a whole.
  sentences = builtins.mapAttrs (_: mistake: mistake.sentence) mistakes;
  warned = named {
    warnings = [ "of a module" ];
    image.fromImage = named { };
    users.users.a.hashedPassword = "$6$x$y";
  };
}
