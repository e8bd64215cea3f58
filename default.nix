/**
  All functions, for images of the packages in `pkgs`, and the program as `oci-layout`. The flake has the same as
  `lib.mkLib pkgs`. The result is a scope; see `nix/default.nix`.

  # Arguments

  - [pkgs] An instance of nixpkgs. Images are for its host platform, and its build platform builds them.
    Default: `import <nixpkgs> { }`.
  - [builder] A package or a folder that contains `bin/oci-layout`. By default nixpkgs builds it.
    Default: `pkgs.buildPackages.callPackage ./nix/package.nix { }`.

  # Examples

  ```nix
  import ./oci-layout { pkgs = import <nixpkgs> { }; }
  ```
*/
{
  pkgs ? import <nixpkgs> { },
  builder ? pkgs.buildPackages.callPackage ./nix/package.nix { },
}:
(import ./nix {
  inherit builder pkgs;
  system = pkgs.stdenv.buildPlatform.system;
  hostSystem = pkgs.stdenv.hostPlatform.system;
}).overrideScope
  (final: _: { oci-layout = final.builder; })
