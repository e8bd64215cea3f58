{
  description = "An image of one program";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    # Replace the path by that of your checkout.
    oci-layout.url = "git+file:///path/to/oci-layout";
  };

  # After `nix build`: `podman run oci:result` or `crane push ./result REGISTRY/hello:latest`. Without it:
  # `nix run .#default.copyToPodman` or `nix run .#default.push -- REGISTRY/hello:latest`.
  outputs =
    { nixpkgs, oci-layout, ... }:
    let
      image =
        pkgs:
        (oci-layout.lib.mkLib pkgs).ociBuildImage {
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
