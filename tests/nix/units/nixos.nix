# Images with the modules of NixOS, by the stand-in for NixOS: true statements.
{
  functionsWith,
  lib,
  packages,
  pkgs,
  ...
}:
let
  program = name: packages.package name "mkdir -p $out/bin; echo > $out/bin/${name}";
  oci = functionsWith { pkgs = pkgsOfNixos; };
  pkgsOfNixos = pkgs // {
    systemd = program "systemd-257";
    shadow = program "shadow";
    cacert = program "cacert";
    nginx = program "nginx";
    postgresql = program "postgresql";
    redis = program "redis";
    writeShellScript = name: text: "${builtins.toFile name (builtins.unsafeDiscardStringContext text)}";
  };
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
  # What the image depends on.
  context = builtins.concatStringsSep " " (
    builtins.attrNames (
      builtins.getContext (
        builtins.toJSON [
          image.init.services
          config.build.files
          (map (package: "${package}") config.environment.systemPackages)
        ]
      )
    )
  );
in
{
  services-of-the-modules-alone =
    builtins.attrNames services == [
      "extra"
      "nginx"
      "postgresql"
      "postgresql-setup"
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
}
