# `examples/registry-image.nix` with stand-ins for the packages of nixpkgs. `nix` is a root file system with Nix.
{
  programs,
  nix,
}:
let
  tests = import ../default.nix { inherit programs; };
  inherit (tests) packages;
  root = builtins.path {
    name = "root";
    path = nix;
  };
  # Its programs decide by their name what to do, and find its libraries beside themselves.
  nixPackage = packages.package "nix" ''
    mkdir -p $out/bin $out/libexec
    cp -r ${root}/usr/lib/*-linux-gnu $out/lib
    cp ${root}/usr/bin/nix $out/libexec/nix
    for name in nix nix-build nix-instantiate nix-store; do
      printf '#!%s sh\nexec %s --argv0 %s --library-path %s %s --option build-hook "" "$@"\n' \
        ${packages.busybox}/bin/busybox $out/lib/ld-linux-*.so.* $name $out/lib $out/libexec/nix > $out/bin/$name
      chmod +x $out/bin/$name
    done
  '';
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
