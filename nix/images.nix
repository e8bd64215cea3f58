/**
  Ready images, from the modules in the folder `nix/images`:

  - `images.nix`: Nix for one user other than root, with a shell, the usual programs, Git and certificates.
  - `images.example`: services of `s6.services`.
  - `images.example-systemd`: the same services as units of systemd.

  `override` adds modules.

  # Examples

  ```nix
  images.nix.override (old: { modules = old.modules ++ [ { nix.settings.cores = 2; } ]; })
  ```
*/
{ ociMakeImage }:
builtins.mapAttrs (_: module: ociMakeImage { modules = [ module ]; }) {
  nix = ./images/nix.nix;
  example = ./images/example.nix;
  example-systemd = ./images/example-systemd.nix;
}
