# Images that say how they run, and what that becomes.
{
  make,
  pkgs,
  withDebian,
  ...
}:
let
  # It says what it may do.
  says = path: ''
    grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
    for directory in / /tmp /var/lib/web ${path}; do
      touch "$directory/x" 2>/dev/null && echo "writes $directory" || echo "cannot write $directory"
    done
    mkdir /tmp/made 2>/dev/null || echo 'cannot mkdir'
  '';
  one = make {
    image = {
      name = "registry.example/me/web";
      tag = "1.0";
      entrypoint = [
        "${pkgs.busybox}/bin/busybox"
        "sh"
        "-c"
        "PATH=${pkgs.busybox}/bin\n${says "/home/nonroot '/var/cache/my $app'"}echo \"listens from $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)\""
      ];
      ports = [ 80 ];
      volumes = [ "/var/lib/web" ];
      healthcheck = {
        command = [
          "${pkgs.busybox}/bin/busybox"
          "test"
          "a \"b\" $HOME %n \\"
        ];
        interval = 10;
      };
      hardening = {
        enable = true;
        tmpfs = [
          "/home/nonroot"
          "/var/cache/my $app"
          "/var/cache"
        ];
        capabilities.add = [ "CAP_NET_BIND_SERVICE" ];
        seccompProfile = builtins.toFile "seccomp.json" (
          builtins.toJSON {
            defaultAction = "SCMP_ACT_ALLOW";
            syscalls = [
              {
                names = [
                  "mkdir"
                  "mkdirat"
                ];
                action = "SCMP_ACT_ERRNO";
              }
            ];
          }
        );
      };
      deploy = {
        ports = [
          8080
          "127.0.0.1:5353:53/udp"
        ];
        volumes."/var/lib/web" = "web-data";
        restart = "on-failure";
      };
    };
  };
  services = make (
    { pkgs, ... }:
    {
      image.name = "services";
      image.tag = "1.0";
      image.hardening.enable = true;
      users.users.web = { };
      s6.services = {
        web = {
          script = ''
            ${says "/run /srv/web"}
            exec sleep 1000
          '';
          user = "web";
          path = [ pkgs.busybox ];
          directories = [
            "/srv/web"
            "/srv/web/cache"
          ];
          readiness.command = [
            "${pkgs.busybox}/bin/test"
            "-e"
            "/srv/web/x"
          ];
        };
        ends = {
          type = "oneshot-post";
          script = "stat -c '%n %U' /srv/web/x; exit 7";
          path = [ pkgs.busybox ];
          after = [ "web" ];
        };
      };
      imports = [ withDebian ];
    }
  );
in
{
  inherit one services;
  plain = make { image.name = "plain"; };
}
