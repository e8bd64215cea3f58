{
  description = "Containers by options, as the tests of the module want them";

  inputs = {
    nixpkgs.url = "flake:nixpkgs";
    flake-parts.url = "flake:flake-parts";
    flake-parts.inputs.nixpkgs-lib.follows = "nixpkgs";
    oci-layout.url = "flake:oci-layout";
  };

  outputs =
    inputs:
    inputs.flake-parts.lib.mkFlake { inherit inputs; } {
      imports = [
        inputs.oci-layout.flakeModules.default
        ./containers.nix
      ];
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
    };
}
