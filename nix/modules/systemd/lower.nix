# The definitions that units become: of services, accounts, warnings and assertions.
{
  config,
  lib,
  pkgs,
}:
{
  # Units of kinds that are refused, by kind and by name.
  other,
  ...
}@units:
let
  refused = import ./refused.nix;
  byName = import ./by-name.nix { inherit lib; };
  lowered = import ../../units.nix {
    inherit (config.s6) shell;
    tools = [ pkgs.busybox ];
    inherit (config.users.declaredIds) homeOf;
    toFile = pkgs.writeText or builtins.toFile;
  } (removeAttrs units [ "other" ]);
in
{
  # What `s6.services` says of a service is stronger.
  s6.services = builtins.mapAttrs (_: builtins.mapAttrs (_: lib.mkDefault)) lowered.services;
  users.users = lib.genAttrs lowered.users (_: { });
  inherit (lowered) warnings;
  assertions = builtins.concatLists (
    lib.mapAttrsToList (
      kind: named:
      map (name: {
        assertion = !(named.${name}.enable or true);
        message = "systemd.${kind}.${name}: ${refused.${kind}}";
      }) (builtins.attrNames named)
    ) (builtins.mapAttrs (_: byName) other)
  );
}
