# `system.services`: the modular services of nixpkgs, which packages offer as modules.
#
# nixpkgs' own base module reads files outside of its `lib`, so the one here declares the same options. A service becomes
# a unit of `systemd.services`, and what its `systemd` half says is lowered with it.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  base = import ./system-services/service.nix { inherit lib; };
  words = import ../units/words.nix { lib = import ../internal/lib.nix; };

  # Each service with its full name, and then the ones inside of it.
  flatten =
    prefix: services:
    builtins.concatLists (
      lib.mapAttrsToList (
        name: service:
        let
          full = if prefix == "" then name else "${prefix}-${name}";
        in
        [
          {
            name = full;
            inherit service;
          }
        ]
        ++ flatten full service.services
      ) services
    );
  all = flatten "" config.system.services;
  place = name: "system.services.${name}";

  # A line of arguments that stand for themselves.
  line =
    argv:
    builtins.concatStringsSep " " (
      map (argument: words.quote (builtins.replaceStrings [ "%" ] [ "%%" ] "${argument}")) argv
    );
  unitsOf =
    { name, service }:
    let
      main = {
        serviceConfig = {
          ExecStart = lib.mkDefault (
            if service.systemd.mainExecStart == null then
              line service.process.argv
            else
              service.systemd.mainExecStart
          );
          Type = lib.mkIf service.notificationProtocol.systemd (lib.mkDefault "notify");
        };
      };
      named = suffix: if suffix == "" then name else "${name}-${suffix}";
    in
    [
      { ${name} = main; }
      # A module of the half about systemd is a module of the unit.
      { ${name} = { ... }: { imports = [ service.systemd.service ]; }; }
    ]
    ++ lib.mapAttrsToList (suffix: module: {
      ${named suffix} = { ... }: { imports = [ module ]; };
    }) service.systemd.services;
  filesOf =
    { service, ... }:
    lib.mapAttrs' (
      _: file:
      lib.nameValuePair (lib.removePrefix "/etc/" file.path) (
        if file.text != null then { inherit (file) text; } else { inherit (file) source; }
      )
    ) (lib.filterAttrs (_: file: file.enable) service.configData);
in
{
  options.system.services = mkOption {
    type = types.attrsOf (base "");
    default = { };
    description = "Modular services of nixpkgs. The attribute `services` of a service has further ones.";
    example = lib.literalExpression "{ ghost = { imports = [ pkgs.ghostunnel.services.default ]; }; }";
  };

  config = {
    systemd.services = lib.mkMerge (builtins.concatMap unitsOf all);
    # The descriptor that s6's own programs write to.
    s6.services = lib.mkMerge (
      map (
        { name, service }:
        lib.mkIf (service.notificationProtocol.s6 && !service.notificationProtocol.systemd) {
          ${name}.readiness.fd = 3;
        }
      ) all
    );
    environment.etc = lib.mkMerge (map filesOf all);
    warnings = builtins.concatMap (
      { name, service }:
      map (warning: "${place name}: ${warning}") service.warnings
      ++
        lib.optional (service.process.reloadSignal != null || service.process.reloadCommand != null)
          "${place name}: left out: process.reloadSignal, process.reloadCommand (nothing reloads a service in a container)"
    ) all;
    assertions = builtins.concatMap (
      { name, service }:
      map (assertion: {
        inherit (assertion) assertion;
        message = "${place name}: ${assertion.message}";
      }) service.assertions
    ) all;
  };
}
