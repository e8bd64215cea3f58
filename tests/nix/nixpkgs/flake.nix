{
  description = "A stand-in for nixpkgs, with what the flake and its templates use of it";

  outputs = { self }: {
    legacyPackages = builtins.listToAttrs (map
      (system: { name = system; value = import ./. { inherit system; }; })
      [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ]);

    # The real one, where the tests have it: flake-parts wants it.
    ${if builtins.pathExists ./lib then "lib" else null} = import ./lib;
  };
}
