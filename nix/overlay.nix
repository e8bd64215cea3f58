# An overlay with the program, `oci-layout`, and the functions, `ociLib`. Both use the packages that it is applied to.
final: _: {
  oci-layout = final.callPackage ./package.nix { };
  ociLib = import ../. {
    pkgs = final;
    builder = final.buildPackages.oci-layout;
  };
}
