{
  description = "Images of the programs of a flake";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    flake-parts.url = "github:hercules-ci/flake-parts";
    flake-parts.inputs.nixpkgs-lib.follows = "nixpkgs";
    # Replace the path by that of your checkout.
    oci-layout.url = "git+file:///path/to/oci-layout";
  };

  outputs =
    inputs:
    inputs.flake-parts.lib.mkFlake { inherit inputs; } {
      imports = [ inputs.oci-layout.flakeModules.default ];
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      # `nix build .#oci-hello`, `nix build .#oci-hello-debug`, `nix flake check`.
      perSystem = { pkgs, ... }: {
        oci.containers.hello = {
          package = pkgs.hello;
          flavours.debug.image.debug.enable = true;
        };
      };
    };
}
