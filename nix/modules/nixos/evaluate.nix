# Two systems of NixOS: one with the modules of the image, and an empty one. What the first adds to the second goes into
# the image.
{
  lib,
  # nixpkgs, as a path.
  nixos,
  pkgs,
  system,
  modules,
  specialArgs,
}:
let
  base = {
    boot.isContainer = true;
    # Containers of NixOS have systemd, which waits for connections.
    services.openssh.startWhenNeeded = lib.mkOverride 900 false;
    # Services name them in LD_LIBRARY_PATH, which would bring systemd into the image.
    system.nssModules = lib.mkForce [ ];
    nixpkgs.pkgs = lib.mkDefault pkgs;
    system.stateVersion = lib.mkDefault (lib.trivial.release or "26.05");
  };
  evaluate =
    modules:
    import (nixos + "/nixos/lib/eval-config.nix") {
      inherit lib specialArgs system;
      modules = [ base ] ++ modules;
    };
in
{
  full = evaluate ([ (import ./declare.nix { inherit system; }) ] ++ modules);
  empty = evaluate [ ];
}
