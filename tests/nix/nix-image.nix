# The ready image with Nix. `nix` is a root file system with Nix.
{
  programs,
  nix,
}:
let
  tests = import ./default.nix { inherit programs; };
  inherit (tests) packages;
  inherit (packages) busybox package;
  # Applets of busybox, by their names.
  applets =
    name: names:
    package name "mkdir -p $out/bin; for name in ${names}; do ln -s ${busybox}/bin/busybox $out/bin/$name; done";
  oci = import ../../nix {
    system = builtins.currentSystem;
    inherit (tests.oci) builder;
    pkgs = {
      lib = import ./nixpkgs/lib;
      nix = import ./nix-package.nix { inherit packages nix; };
      # Busybox is a shell only by another name.
      bashInteractive = package "bash" ''
        mkdir -p $out/bin
        printf '#!%s sh\nexec %s sh "$@"\n' ${busybox}/bin/busybox ${busybox}/bin/busybox > $out/bin/bash
        chmod +x $out/bin/bash
      '';
      coreutils = applets "coreutils" "cat env id ls stat touch";
      git = package "git" "mkdir -p $out/bin; cp ${packages.say}/bin/say $out/bin/git";
      cacert = package "cacert" "mkdir -p $out/etc/ssl/certs; echo certificates > $out/etc/ssl/certs/ca-bundle.crt";
    };
  };
in
oci.images.nix.override (old: {
  # The test has no network.
  modules = old.modules ++ [ { nix.settings.substituters = ""; } ];
})
