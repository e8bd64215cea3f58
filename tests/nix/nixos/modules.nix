# Modules of NixOS, with the name of a service that each of them brings.
{
  caddy = {
    service = "caddy";
    module.services.caddy.enable = true;
  };
  forgejo = {
    service = "forgejo";
    module.services.forgejo.enable = true;
  };
  gitea = {
    service = "gitea";
    module.services.gitea.enable = true;
  };
  grafana = {
    service = "grafana";
    module.services.grafana = {
      enable = true;
      settings = { };
    };
  };
  haproxy = {
    service = "haproxy";
    module.services.haproxy = {
      enable = true;
      config = "defaults\n";
    };
  };
  memcached = {
    service = "memcached";
    module.services.memcached.enable = true;
  };
  mysql = {
    service = "mysql";
    module =
      { pkgs, ... }:
      {
        services.mysql = {
          enable = true;
          package = pkgs.mariadb;
        };
      };
  };
  nextcloud = {
    service = "phpfpm-nextcloud";
    module =
      { pkgs, ... }:
      {
        services.nextcloud = {
          enable = true;
          package = pkgs.php;
          hostName = "localhost";
          config.adminpassFile = "/run/secrets/password";
          config.dbtype = "sqlite";
        };
        systemd.timers.nextcloud-cron.enable = false;
      };
  };
  nginx = {
    service = "nginx";
    module.services.nginx.enable = true;
  };
  openssh = {
    service = "sshd";
    module.services.openssh.enable = true;
  };
  phpfpm = {
    service = "phpfpm-www";
    module.services.phpfpm.pools.www = {
      user = "www";
      settings = {
        pm = "dynamic";
        "pm.max_children" = 5;
      };
    };
  };
  postgresql = {
    service = "postgresql";
    module.services.postgresql.enable = true;
  };
  prometheus = {
    service = "prometheus";
    module.services.prometheus.enable = true;
  };
  redis = {
    service = "redis";
    module.services.redis.servers."".enable = true;
  };
  traefik = {
    service = "traefik";
    module.services.traefik.enable = true;
  };
  vaultwarden = {
    service = "vaultwarden";
    module.services.vaultwarden.enable = true;
  };
}
