# The program as `oci-layout`, and the functions as `ociLib`, made with the packages that they are laid over.
final: _: {
  oci-layout = final.callPackage ./package.nix { };
  ociLib = import ../. { pkgs = final; builder = final.buildPackages.oci-layout; };
}
