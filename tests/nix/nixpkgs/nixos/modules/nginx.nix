# Shaped as the service of NixOS: a check before the start, capabilities, directories, and much that the runtime does.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.nginx;
  run = "${pkgs.nginx}/bin/nginx -c /etc/nginx/nginx.conf";
in
{
  options.services.nginx = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
    };
    config = lib.mkOption {
      type = lib.types.lines;
      default = "";
    };
  };
  config = lib.mkIf cfg.enable {
    environment.etc."nginx/nginx.conf".text = cfg.config;
    users.users.nginx = {
      group = "nginx";
      isSystemUser = true;
      uid = 60;
    };
    users.groups.nginx.gid = 60;
    systemd.services.nginx = {
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      preStart = "${run} -t";
      serviceConfig = {
        ExecStart = "${run} -g 'daemon off;'";
        ExecReload = [ "/bin/kill -HUP $MAINPID" ];
        Restart = "always";
        RestartSec = "10s";
        User = "nginx";
        Group = "nginx";
        RuntimeDirectory = "nginx";
        RuntimeDirectoryMode = "0750";
        CacheDirectory = "nginx";
        CacheDirectoryMode = "0750";
        LogsDirectory = "nginx";
        LogsDirectoryMode = "0750";
        ProcSubset = "pid";
        ProtectProc = "invisible";
        UMask = "0027";
        AmbientCapabilities = [
          "CAP_NET_BIND_SERVICE"
          "CAP_SYS_RESOURCE"
        ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
        NoNewPrivileges = true;
        PrivateTmp = true;
        SystemCallFilter = [ "~@cpu-emulation" ];
      };
      startLimitIntervalSec = 60;
      restartTriggers = [ cfg.config ];
    };
  };
}
