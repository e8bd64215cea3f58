# The checks of this repository are a separate flake, so that the flake in the root has no inputs: `nix flake check` here.
{
  description = "Checks of oci-layout, and the nixpkgs that its own packages use";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      # nixpkgs drops a system now and then.
      systems = builtins.filter (system: nixpkgs.legacyPackages ? ${system}) [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      perSystem =
        function:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = function nixpkgs.legacyPackages.${system};
          }) systems
        );
    in
    {
      # The program packs itself.
      checks = perSystem (
        pkgs:
        let
          oci = import ../.. { inherit pkgs; };
        in
        {
          image = oci.ociVerify {
            layout = oci.ociBuildImage {
              name = "oci-layout";
              tag = oci.oci-layout.version;
              config.Entrypoint = [ "${oci.oci-layout}/bin/oci-layout" ];
            };
          };
        }
      );
    };
}
