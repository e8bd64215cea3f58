# `systemd.services`, as in NixOS, without systemd: each unit becomes a service of `s6.services`, by the table in
# docs/systemd-units.md.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.systemd;
  unit = import ./systemd/unit.nix { inherit lib; };

  lower = import ./systemd/lower.nix { inherit config lib pkgs; };
  # NixOS adds the usual programs to the path of every service. Only scripts count on it.
  withPath =
    service:
    let
      hasScript = builtins.any (text: text != "") [
        service.script
        service.preStart
        service.postStart
        service.preStop
      ];
    in
    service
    // {
      path = service.path ++ lib.optional (hasScript && service.enableDefaultPath) pkgs.busybox;
    };
  refused = import ./systemd/refused.nix;
in
{
  options.systemd = {
    services = mkOption {
      type = types.attrsOf (types.submodule unit.service);
      default = { };
      description = "Services, in the shape that they have in NixOS. All of them start, in the order of `after` and `before`.";
      example = lib.literalExpression ''{ web.serviceConfig = { ExecStart = "''${pkgs.nginx}/bin/nginx"; User = "web"; }; }'';
    };
    targets = mkOption {
      type = types.attrsOf (types.submodule { options = unit.dependencies; });
      default = { };
      description = "Names for several services, which `after`, `requires` and so on can refer to.";
    };
    tmpfiles = {
      rules = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Files and directories that are there before the services start, as lines of tmpfiles.d(5).";
        example = [ "d /var/lib/app 0750 app app -" ];
      };
      settings = mkOption {
        type = types.attrsOf (types.attrsOf (types.attrsOf (types.submodule { options = unit.rule; })));
        default = { };
        description = "The same as sets: by a name that means nothing, by path and by type.";
        example = {
          app."/var/lib/app".d.mode = "0750";
        };
      };
    };
  }
  // builtins.mapAttrs (
    _:
    { instead, isList }:
    mkOption {
      type = if isList then types.listOf types.raw else types.attrsOf types.raw;
      default = if isList then [ ] else { };
      description = "Refused: ${instead}.";
    }
  ) refused;

  config = lower {
    services = builtins.mapAttrs (_: withPath) cfg.services;
    inherit (cfg) targets;
    tmpfilesRules = cfg.tmpfiles.rules;
    tmpfilesSettings = cfg.tmpfiles.settings;
    other = builtins.intersectAttrs refused cfg;
  };
}
