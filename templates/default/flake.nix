{
  description = "An image of one program";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    # By that name in the registry: `nix registry add oci-layout path:/where/its/checkout/is`.
    oci-layout.url = "flake:oci-layout";
    oci-layout.inputs.nixpkgs.follows = "nixpkgs";
  };

  # `nix build`, and then `podman run oci:result` or `crane push ./result REGISTRY/hello:latest`.
  outputs = { nixpkgs, oci-layout, ... }:
    let
      image = pkgs: (oci-layout.lib.mkLib pkgs).ociBuildImage {
        name = "hello";
        tag = "latest";
        config.Entrypoint = [ "${pkgs.hello}/bin/hello" ];
      };
    in
    {
      packages.x86_64-linux.default = image nixpkgs.legacyPackages.x86_64-linux;
      packages.aarch64-linux.default = image nixpkgs.legacyPackages.aarch64-linux;
    };
}
