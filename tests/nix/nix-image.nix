# An image in which Nix works, from modules. `nix` is a root file system with Nix.
{
  programs,
  nix,
}:
let
  tests = import ./default.nix { inherit programs; };
  inherit (tests) packages;
  oci = import ../../nix {
    system = builtins.currentSystem;
    inherit (tests.oci) builder;
    pkgs = {
      lib = import ./nixpkgs/lib;
      nix = import ./nix-package.nix { inherit packages nix; };
    };
  };
in
oci.ociMakeImage {
  modules = [
    {
      image = {
        name = "nix";
        tag = "1";
        user = "builder";
        entrypoint = [
          "${packages.busybox}/bin/busybox"
          "sh"
          "-euc"
        ];
      };
      nix.enable = true;
      nix.settings = {
        experimental-features = [ "nix-command" ];
        # The test has no network.
        substituters = "";
      };
      users.users.builder = {
        isNormalUser = true;
        uid = 1000;
      };
    }
  ];
}
