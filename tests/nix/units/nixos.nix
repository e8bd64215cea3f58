# Images with the modules of NixOS, by the stand-in for NixOS: `claims` are true, and `run` runs.
{
  debian,
  functionsWith,
  lib,
  packages,
  pkgs,
  ...
}:
let
  program = name: packages.package name "mkdir -p $out/bin; echo > $out/bin/${name}";
  # The daemons are Debian's.
  pkgsOfNixos = pkgs // {
    systemd = program "systemd-257";
    shadow = program "shadow";
    cacert = program "cacert";
    openssh = program "openssh";
    tzdata = packages.package "tzdata" "mkdir -p $out/share/zoneinfo";
    coreutils = pkgs.busybox;
    writeShellScript =
      name: text:
      packages.package name ''
        cat > $out <<'end of the text'
        #!${pkgs.busybox}/bin/sh
        set -e
        ${text}
        end of the text
        chmod +x $out
      '';
    buildEnv = { name, paths }: packages.package name "mkdir $out; echo ${toString paths} > $out/paths";
  };
  oci = functionsWith { pkgs = pkgsOfNixos; };
  make =
    module:
    oci.ociMakeImage {
      nixos = ../nixpkgs;
      modules = [
        {
          image.name = "nixos";
          image.tag = "1";
        }
        module
      ];
    };
  image = make (
    { config, pkgs, ... }: {
      image.flavours.quiet.services.redis.enable = lib.mkForce false;
      services.nginx.enable = true;
      services.nginx.config = "events {}\n";
      services.postgresql.enable = true;
      services.redis.enable = true;
      environment.systemPackages = [ pkgs.hello ];
      image.labels.port = if config.services.nginx.enable then "80" else "none";
      s6.services.extra.command = [ "/bin/extra" ];
      files = [
        {
          destination = "/srv/file";
          text = "a";
        }
      ];
    }
  );
  services = builtins.listToAttrs (
    map (service: lib.nameValuePair service.name service) image.init.services
  );
  position = name: lib.lists.findFirstIndex (service: service.name == name) null image.init.services;
  inherit (image) config;
  hasFile = name: builtins.any (file: file.destination == name) config.build.files;
  # What an image depends on.
  contextOf =
    image:
    builtins.concatStringsSep " " (
      builtins.attrNames (
        builtins.getContext (
          builtins.toJSON [
            image.init.services
            image.config.build.files
            (map (package: "${package}") image.config.environment.systemPackages)
          ]
        )
      )
    );
  context = contextOf image;
  withNginx = {
    services.nginx.enable = true;
    services.nginx.config = "";
    s6.enable = true;
  };
  linksWith =
    module:
    lib.unique (
      map (file: file.destination) (
        builtins.filter (
          file: file.symlink or "" == "/run" || file.symlink or "" == "${pkgs.busybox}/bin/sh"
        ) (make module).config.build.files
      )
    );
  sshd = make {
    s6.enable = true;
    services.openssh.enable = true;
  };
in
{
  claims = {
    services-of-the-modules-alone =
      builtins.attrNames services == [
        "extra"
        "nginx"
        "postgresql"
        "postgresql-setup"
        "redis"
        "tmpfiles"
      ];
    # Only redis has rules of tmpfiles.
    flavours-are-modules-of-nixos-too =
      let
        names = map (service: service.name) image.flavours.quiet.init.services;
      in
      builtins.filter (name: !(builtins.elem name names)) (builtins.attrNames services) == [
        "redis"
        "tmpfiles"
      ];
    setup-comes-after-the-database = position "postgresql" < position "postgresql-setup";
    setup-is-late = services.postgresql-setup.kind == "oneshot-post";
    database-stops-with-its-signal =
      services.postgresql.stopSignal == "SIGINT" && services.postgresql.stopTimeout == 120;
    notify =
      services.redis.readiness == {
        sdNotify = true;
        timeout = 90;
      };
    root-before-the-start = (builtins.head services.redis.preStart).asRoot;
    scripts-run-once = builtins.length services.nginx.preStart == 1;
    capabilities =
      services.nginx.ambientCapabilities == [
        "CAP_NET_BIND_SERVICE"
        "CAP_SYS_RESOURCE"
      ];
    accounts-keep-their-numbers = services.nginx.user.uid == 60 && services.postgresql.user.uid == 71;
    accounts-of-the-empty-system-are-absent = !(config.users.users ? messagebus);
    shells-of-nobody-are-absent = builtins.match ".*shadow.*" context == null;
    systemd-is-absent = builtins.match ".*systemd-257.*" context == null;
    # Each program is in the image.
    programs-are-present = lib.all (name: builtins.match ".*-${name}\\.drv.*" context != null) [
      "nginx"
      "postgresql"
      "redis"
    ];
    path-has-the-packages =
      builtins.match ".*postgresql/bin.*" (
        builtins.unsafeDiscardStringContext services.postgresql.environment.PATH
      ) != null
      || builtins.match ".*-postgresql/bin:.*" services.postgresql.environment.PATH != null;
    etc-of-the-modules = hasFile "/etc/nginx/nginx.conf" && !(hasFile "/etc/os-release");
    certificates = hasFile "/etc/ssl/certs/ca-certificates.crt";
    directories = config.build.directories."/var/lib/redis-extra".mode == "0700";
    packages-of-the-modules = map (package: package.name) config.environment.systemPackages != [ ];
    options-of-images-see-nixos = config.image.labels.port == "80";
    options-of-images-have-values = config.image.name == "nixos" && hasFile "/srv/file";
    warnings-of-the-modules = !(builtins.elem "of every system" config.warnings);
    warnings-name-what-is-left-out = builtins.any (
      warning: builtins.match "systemd\\.services\\.nginx: left out: .*PrivateTmp.*" warning != null
    ) config.warnings;
    limits-of-starts = services.nginx.startLimit.interval == 60;
    # It has all packages of the system.
    the-path-of-the-system-is-absent =
      !(hasFile "/etc/terminfo") && builtins.match ".*system-path.*" context == null;
    parameters-of-the-kernel-are-absent = !(hasFile "/etc/sysctl.d/60-nixos.conf");
    warnings-name-parameters-of-the-kernel = builtins.elem "boot.kernel.sysctl.\"vm.overcommit_memory\": left out: a container does not set the kernel's parameters; use the runtime's --sysctl, or set it on the machine" config.warnings;
    no-socket-waits-for-connections = sshd.init.services != [ ];
    libraries-of-systemd-are-absent = builtins.match ".*systemd-257.*" (contextOf sshd) == null;
    warnings-name-units-in-packages =
      sshd.config.warnings == [
        "systemd.packages: left out: the files of units in openssh, because evaluation reads no packages; write what they say in systemd.services"
      ];
    the-time-zone-has-its-database =
      lib.all
        (
          name:
          builtins.any (file: file.destination == name)
            (make { time.timeZone = "Europe/Berlin"; }).config.build.files
        )
        [
          "/etc/localtime"
          "/etc/zoneinfo"
        ];
    programs-find-a-shell = hasFile "/bin/sh" && hasFile "/var/run";
    no-service-needs-no-shell = linksWith { } == [ "/var/run" ];
    links-leave-room-for-files =
      let
        room = file: linksWith (withNginx // { files = [ file ]; });
        onlyShell = [ "/bin/sh" ];
        onlyRun = [ "/var/run" ];
        both = onlyRun ++ onlyShell;
      in
      lib.all ({ file, links }: room file == links) [
        {
          file = {
            destination = "bin/sh";
            symlink = "dash";
          };
          links = onlyRun;
        }
        {
          file = {
            destination = "/bin/";
            source = /usr/bin/sh;
          };
          links = onlyRun;
        }
        {
          file = {
            destination = "/bin";
            symlink = "usr/bin";
          };
          links = onlyRun;
        }
        {
          file = {
            destination = "/bin/other";
            text = "";
          };
          links = both;
        }
        {
          file = {
            destination = "/bin";
            directory = true;
          };
          links = both;
        }
        {
          file = {
            destination = "/var/run/a/b";
            text = "";
          };
          links = onlyShell;
        }
        # Debian has links at /bin and /var/run.
        {
          file = {
            destination = "/";
            source = /.;
          };
          links = [ ];
        }
        {
          file = {
            destination = "/srv";
            source = /.;
          };
          links = both;
        }
        # What packages contain is unknown.
        {
          file = {
            destination = "/";
            source = pkgs.hello;
          };
          links = [ ];
        }
        {
          file = {
            destination = "/var/";
            source = pkgs.hello;
          };
          links = both;
        }
      ];
    links-leave-room-for-directories =
      linksWith { image.volumes = [ "/var/run/data" ]; } == [ ]
      && builtins.elem "/var/run" (linksWith {
        systemd.tmpfiles.rules = [ "d /var/run/data" ];
      });
  };

  run = make (
    { pkgs, ... }:
    {
      image.hardening.enable = true;
      services.nginx = {
        enable = true;
        config = ''
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
      };
      services.postgresql.enable = true;
      services.redis.enable = true;
      systemd.tmpfiles.rules = [ "d /var/run/shared 0755 root root" ];
      environment.systemPackages = [
        pkgs.busybox
        pkgs.redis
      ];
      files = import ../make-image/root.nix { inherit debian; };
    }
  );
}
