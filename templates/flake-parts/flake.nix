{
  description = "Images of a flake's programs";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    flake-parts.url = "github:hercules-ci/flake-parts";
    flake-parts.inputs.nixpkgs-lib.follows = "nixpkgs";
    # By that name in the registry: `nix registry add oci-layout path:/where/its/checkout/is`.
    oci-layout.url = "flake:oci-layout";
    oci-layout.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } {
    imports = [ inputs.oci-layout.flakeModules.default ];
    systems = [ "x86_64-linux" "aarch64-linux" ];

    # `nix build .#oci-hello`, `nix build .#oci-hello-debug`, `nix flake check`.
    perSystem = { pkgs, ... }: {
      oci.containers.hello = {
        package = pkgs.hello;
        debug.enable = true;
      };
    };
  };
}
