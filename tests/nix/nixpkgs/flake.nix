{
  description = "A stand-in for nixpkgs, with what the flake and its templates use of it";

  outputs =
    { self }:
    (
      # The real one, where the tests have it: flake-parts needs it.
      if builtins.pathExists ./lib then { lib = import ./lib; } else { }
    )
    // {
      legacyPackages = builtins.listToAttrs (
        map
          (system: {
            name = system;
            value = import ./. { inherit system; };
          })
          [
            "x86_64-linux"
            "aarch64-linux"
            "aarch64-darwin"
          ]
      );
    };
}
