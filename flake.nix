{
  description = "Composable OCI image-layout primitives: files in, deterministic layers, images and layouts out";

  # There are no inputs: `lib.mkLib`, the overlay and the module use the packages of the caller.
  outputs =
    { self }:
    let
      # This flake's own packages use the nixpkgs that the flake in `tests/flake` locks.
      lock = builtins.fromJSON (builtins.readFile ./tests/flake/flake.lock);
      nixpkgs = builtins.fetchTree lock.nodes.${lock.nodes.root.inputs.nixpkgs}.locked;

      perSystem =
        function:
        builtins.listToAttrs (
          map
            (system: {
              name = system;
              value = function (import nixpkgs { inherit system; });
            })
            [
              "x86_64-linux"
              "aarch64-linux"
              "aarch64-darwin"
            ]
        );
    in
    {
      lib.mkLib = pkgs: import ./. { inherit pkgs; };

      overlays.default = import ./nix/overlay.nix;

      flakeModules.default = ./nix/flake-module.nix;

      packages = perSystem (pkgs: rec {
        oci-layout = pkgs.callPackage ./nix/package.nix { };
        default = oci-layout;
      });

      # `nix build .#images.nix`. Packages for Darwin would not run in containers.
      legacyPackages = perSystem (
        pkgs:
        if pkgs.stdenv.hostPlatform.isLinux then { inherit (import ./. { inherit pkgs; }) images; } else { }
      );

      formatter = perSystem (pkgs: pkgs.nixfmt-tree);

      # `cargo build` and `cargo test` work here. The tests with other tools need `tests/install-tools`.
      devShells = perSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.cargo
            pkgs.clippy
            pkgs.nixfmt
            pkgs.rustc
            pkgs.rustfmt
          ];
        };
      });

      templates = {
        default = {
          path = ./templates/default;
          description = "An image of one program";
        };
        flake-parts = {
          path = ./templates/flake-parts;
          description = "Images of the programs of a flake, by options of flake-parts";
        };
      };
    };
}
