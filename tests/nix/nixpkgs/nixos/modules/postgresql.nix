# Shaped as the service of NixOS: notify, SIGINT, and a target that waits for a setup.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  options.services.postgresql.enable = lib.mkOption {
    type = lib.types.bool;
    default = false;
  };
  config = lib.mkIf config.services.postgresql.enable {
    environment.systemPackages = [ pkgs.postgresql ];
    users.users.postgres = {
      group = "postgres";
      isSystemUser = true;
      uid = 71;
      home = "/var/lib/postgresql";
    };
    users.groups.postgres.gid = 71;
    systemd.targets.postgresql = {
      wantedBy = [ "multi-user.target" ];
      requires = [
        "postgresql.service"
        "postgresql-setup.service"
      ];
    };
    systemd.services.postgresql = {
      after = [ "network.target" ];
      environment.PGDATA = "/var/lib/postgresql/17";
      path = [ pkgs.postgresql ];
      preStart = "test -e $PGDATA/PG_VERSION || initdb -U postgres";
      # As long as the server runs.
      postStart = ''
        until psql -c ""; do
          kill -0 "$MAINPID"
        done
      '';
      serviceConfig = {
        ExecStart = "${pkgs.postgresql}/bin/postgres";
        ExecReload = "/bin/kill -HUP $MAINPID";
        User = "postgres";
        Group = "postgres";
        RuntimeDirectory = "postgresql";
        Type = "notify";
        KillSignal = "SIGINT";
        KillMode = "mixed";
        TimeoutSec = 120;
        StateDirectory = "postgresql postgresql/17";
        StateDirectoryMode = "0750";
        Restart = "always";
        ProtectSystem = "strict";
      };
      unitConfig.RequiresMountsFor = "/var/lib/postgresql/17";
    };
    systemd.services.postgresql-setup = {
      requires = [ "postgresql.service" ];
      after = [ "postgresql.service" ];
      requiredBy = [ "postgresql.target" ];
      path = [ pkgs.postgresql ];
      script = "psql -c 'create role web login'";
      serviceConfig = {
        User = "postgres";
        Group = "postgres";
        Type = "oneshot";
        RemainAfterExit = true;
      };
    };
  };
}
