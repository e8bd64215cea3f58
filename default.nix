/**
  All functions with nixpkgs, and the program as `oci-layout`: for people without flakes, and what the flake offers as
  `lib.mkLib pkgs`.

  - `pkgs`: your nixpkgs. Images are for its host platform, and built on its build platform.
  - `builder`: a package, or a folder, with `bin/oci-layout`; by default nixpkgs builds it.
*/
{ pkgs ? import <nixpkgs> { }
, builder ? pkgs.buildPackages.callPackage ./nix/package.nix { }
}:
import ./nix {
  inherit builder pkgs;
  system = pkgs.stdenv.buildPlatform.system;
  hostSystem = pkgs.stdenv.hostPlatform.system;
}
// { oci-layout = builder; }
