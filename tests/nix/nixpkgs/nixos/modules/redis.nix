# Shaped as the service of NixOS: notify, and a step before the start as root.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  options.services.redis.enable = lib.mkOption {
    type = lib.types.bool;
    default = false;
  };
  config = lib.mkIf config.services.redis.enable {
    users.users.redis = {
      group = "redis";
      isSystemUser = true;
    };
    users.groups.redis = { };
    boot.kernel.sysctl."vm.overcommit_memory" = "1";
    systemd.tmpfiles.rules = [
      "d /var/lib/redis-extra 0700 redis redis -"
      "z /var/lib/redis-extra 0700 redis redis -"
    ];
    systemd.services.redis = {
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${pkgs.redis}/bin/redis-server /var/lib/redis/redis.conf";
        ExecStartPre = [
          "+${pkgs.writeShellScript "redis-prep-conf" "echo supervised systemd > /var/lib/redis/redis.conf"}"
        ];
        Type = "notify";
        User = "redis";
        Group = "redis";
        RuntimeDirectory = "redis";
        StateDirectory = "redis";
        StateDirectoryMode = "0700";
        LimitNOFILE = "65536";
        MemoryDenyWriteExecute = true;
      };
    };
  };
}
