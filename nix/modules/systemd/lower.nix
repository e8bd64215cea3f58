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
  links = import ./links.nix { inherit config lib; };
  # What is said of paths below /var/run holds below /run.
  namesVarRun = builtins.any (text: builtins.match ".*/var/run/.*" (toString text) != null) (
    units.tmpfilesRules
    ++ builtins.concatMap builtins.attrNames (builtins.attrValues units.tmpfilesSettings)
    ++ map (service: service.serviceConfig.PIDFile or "") (builtins.attrValues units.services)
  );
  # A list has no name by which to disable one unit.
  remedy =
    kind: name:
    if refused.${kind}.isList then
      "disable it by the option of the module that brings it"
    else
      "set `systemd.${kind}.${name}.enable = false`";
  # A package has a name and a version, or both in its name.
  versions = builtins.concatMap (
    package:
    let
      parsed = builtins.parseDrvName (package.name or "");
    in
    lib.optional ((package.pname or parsed.name) == "s6") (package.version or parsed.version)
  ) config.s6.packages;
  lowered = import ../../units.nix {
    s6Version =
      if versions == [ ] || builtins.head versions == "" then null else builtins.head versions;
    inherit (config.s6) shell;
    tools = [ pkgs.busybox ];
    inherit (config.users.declaredIds) homeOf;
    toFile = pkgs.writeText or builtins.toFile;
  } (removeAttrs units [ "other" ]);
in
{
  build = {
    files = links (
      lib.optional namesVarRun {
        destination = "/var/run";
        symlink = "/run";
      }
    );
    inherit (lowered) written;
  };
  # What `s6.services` says of a service is stronger.
  s6.services = builtins.mapAttrs (_: builtins.mapAttrs (_: lib.mkDefault)) lowered.services;
  users.users = lib.genAttrs lowered.users (_: { });
  inherit (lowered) warnings;
  assertions = builtins.concatLists (
    lib.mapAttrsToList (
      kind: named:
      map (name: {
        assertion = !(named.${name}.enable or true);
        message = "systemd.${kind}.${name}: ${refused.${kind}.instead}, and ${remedy kind name}";
      }) (builtins.attrNames named)
    ) (builtins.mapAttrs (_: byName) other)
  );
}
