# Units as NixOS evaluates them: scripts are programs in `serviceConfig`, dependencies are also in `unitConfig`, and every
# path ends with systemd.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  option = type: default: mkOption { inherit type default; };
  names = option (types.listOf types.str) [ ];
  text = option types.lines "";
  dependencies = {
    enable = option types.bool true;
    after = names;
    before = names;
    requires = names;
    wants = names;
    bindsTo = names;
    wantedBy = names;
    requiredBy = names;
    unitConfig = option (types.attrsOf types.raw) { };
    # Without a value unless a module sets it.
    startLimitBurst = mkOption { type = types.int; };
    startLimitIntervalSec = mkOption { type = types.int; };
  };
  program = name: text: pkgs.writeShellScript name text;
  service =
    {
      config,
      name,
      options,
      ...
    }:
    {
      options = dependencies // {
        serviceConfig = option (types.attrsOf types.raw) { };
        environment = option (types.attrsOf types.raw) { };
        path = option (types.listOf types.raw) [ ];
        script = text;
        preStart = text;
        postStart = text;
        reload = text;
        jobScripts = option (types.listOf types.raw) [ ];
        restartTriggers = option (types.listOf types.raw) [ ];
      };
      config = {
        path = lib.mkAfter [
          pkgs.coreutils
          pkgs.systemd
        ];
        environment.PATH = "${lib.makeBinPath config.path}:${
          lib.concatMapStringsSep ":" (package: "${lib.getBin package}/sbin") config.path
        }";
        unitConfig = {
          After = mkIf (config.after != [ ]) (toString config.after);
          Requires = mkIf (config.requires != [ ]) (toString config.requires);
          StartLimitBurst = mkIf options.startLimitBurst.isDefined (toString config.startLimitBurst);
          StartLimitIntervalSec = mkIf options.startLimitIntervalSec.isDefined (
            toString config.startLimitIntervalSec
          );
          X-Restart-Triggers = mkIf (config.restartTriggers != [ ]) "note";
        };
        serviceConfig = {
          ExecStart = mkIf (config.script != "") "${program "${name}-start" config.script} ";
          ExecStartPre = mkIf (config.preStart != "") [ (program "${name}-pre-start" config.preStart) ];
          ExecStartPost = mkIf (config.postStart != "") [
            (program "${name}-post-start" config.postStart)
          ];
          ExecReload = mkIf (config.reload != "") (program "${name}-reload" config.reload);
        };
      };
    };
  kind = option (types.attrsOf types.raw) { };
  # NixOS has these in lists.
  mounts = option (types.listOf (
    types.submodule {
      options = dependencies // {
        what = option types.str "";
        where = option types.str "";
      };
    }
  )) [ ];
in
{
  options.systemd = {
    services = option (types.attrsOf (types.submodule service)) { };
    targets = option (types.attrsOf (types.submodule { options = dependencies; })) { };
    tmpfiles.rules = names;
    tmpfiles.settings = kind;
    timers = kind;
    sockets = kind;
    paths = kind;
    inherit mounts;
    automounts = mounts;
    packages = option (types.listOf types.package) [ ];
  };
}
