# nginx, redis and postgresql of Debian, and nginx alone.
{
  debian,
  lib,
  make,
  pkgs,
  ...
}:
let
  base =
    { pkgs, ... }:
    {
      environment.systemPackages = [
        pkgs.busybox
        pkgs.redis
        pkgs.postgresql
      ];
      files = import ./root.nix { inherit debian; } ++ [
        # initdb starts programs by system(3).
        {
          destination = "/bin/sh";
          symlink = "${pkgs.busybox}/bin/sh";
        }
      ];
    };

  nginx =
    { pkgs, ... }:
    {
      users.users.nginx = { };
      environment.etc."nginx/nginx.conf".text = ''
        pid /run/nginx/nginx.pid;
        error_log /dev/stderr notice;
        events { }
        http {
          access_log off;
          client_body_temp_path /var/cache/nginx/body;
          fastcgi_temp_path /var/cache/nginx/fastcgi;
          proxy_temp_path /var/cache/nginx/proxy;
          scgi_temp_path /var/cache/nginx/scgi;
          uwsgi_temp_path /var/cache/nginx/uwsgi;
          server {
            listen 80;
            root /srv/www;
          }
        }
      '';
      systemd.services.nginx = {
        preStart = "${pkgs.nginx}/bin/nginx -t";
        serviceConfig = {
          ExecStart = "${pkgs.nginx}/bin/nginx -g 'daemon off;'";
          User = "nginx";
          # podman keeps the second one from containers.
          AmbientCapabilities = "CAP_NET_BIND_SERVICE CAP_SYS_RESOURCE";
          RuntimeDirectory = "nginx";
          CacheDirectory = "nginx";
          KillSignal = "SIGQUIT";
        };
      };
    };

  redis =
    { pkgs, ... }:
    {
      users.users.redis = { };
      systemd.services.redis.serviceConfig = {
        Type = "notify";
        ExecStart = "${pkgs.redis}/bin/redis-server --supervised systemd --dir %S/redis --appendonly yes --logfile /dev/stderr";
        User = "redis";
        StateDirectory = "redis";
        StateDirectoryMode = "0700";
      };
    };

  postgresql =
    { pkgs, ... }:
    {
      users.users.postgres = { };
      systemd.services.postgresql = {
        path = [ pkgs.postgresql ];
        environment.PGDATA = "%S/postgresql/data";
        preStart = "test -e $PGDATA/PG_VERSION || initdb --auth=trust --locale=C --no-sync >/dev/null";
        postStart = "psql --host=/run/postgresql --command='create table if not exists t (n int)'";
        serviceConfig = {
          Type = "notify";
          ExecStart = "${pkgs.postgresql}/bin/postgres -k /run/postgresql";
          User = "postgres";
          RuntimeDirectory = "postgresql";
          StateDirectory = "postgresql postgresql/data";
          StateDirectoryMode = "0700";
          KillSignal = "SIGINT";
          TimeoutSec = 120;
        };
      };
    };

  image =
    name: modules:
    make (
      [
        base
        { image.name = name; }
      ]
      ++ modules
    );
in
{
  all = image "daemons" [
    nginx
    redis
    postgresql
    {
      systemd.services.nginx.after = [ "redis.service" ];
      systemd.services.redis.after = [ "postgresql.service" ];
    }
  ];
  alone = image "nginx" [ nginx ];
}
