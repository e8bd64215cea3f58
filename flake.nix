{
  description = "Composable OCI image-layout primitives: files in, deterministic layers, images and layouts out";

  # For this flake's own packages and checks alone. `lib.mkLib`, the overlay and the module take the user's.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs = { self, nixpkgs }:
    let
      # Nixpkgs stops to support a system now and then.
      systems = builtins.filter (system: nixpkgs.legacyPackages ? ${system})
        [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      perSystem = function: builtins.listToAttrs (map
        (system: { name = system; value = function nixpkgs.legacyPackages.${system}; })
        systems);
    in
    {
      lib.mkLib = pkgs: import ./. { inherit pkgs; };

      overlays.default = import ./nix/overlay.nix;

      flakeModules.default = ./nix/flake-module.nix;

      packages = perSystem (pkgs: rec {
        oci-layout = pkgs.callPackage ./nix/package.nix { };
        default = oci-layout;
      });

      # The program packs itself.
      checks = perSystem (pkgs:
        let
          oci = self.lib.mkLib pkgs;
        in
        {
          image = oci.ociVerify {
            layout = oci.ociBuildImage {
              name = "oci-layout";
              tag = oci.oci-layout.version;
              config.Entrypoint = [ "${oci.oci-layout}/bin/oci-layout" ];
            };
          };
        });

      templates = {
        default = {
          path = ./templates/default;
          description = "An image of one program";
        };
        flake-parts = {
          path = ./templates/flake-parts;
          description = "Images of a flake's programs, by options of flake-parts";
        };
      };
    };
}
