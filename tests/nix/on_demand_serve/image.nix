# `examples/registry-image.nix` with stand-ins for the packages of nixpkgs. `nix` is a root file system with Nix.
{
  programs,
  nix,
}:
let
  tests = import ../default.nix { inherit programs; };
  inherit (tests) packages;
  nixPackage = import ../nix-package.nix { inherit packages nix; };
in
import ../../../examples/registry-image.nix {
  oci = tests.oci.overrideScope (
    final: _: {
      caCertificates = final.ociFiles {
        files = [
          {
            destination = "/etc/ssl/certs/ca-bundle.crt";
            text = "";
          }
        ];
      };
    }
  );
  pkgs = {
    oci-layout = {
      outPath = tests.oci.builder;
      version = "1";
    };
    nix = nixPackage;
    git = packages.busybox;
    coreutils = packages.package "coreutils" "mkdir -p $out/bin; ln -s ${packages.busybox}/bin/busybox $out/bin/id";
  };
}
