# `s6.services`: programs that run in the image, in one order that evaluation computes.
#
# A single long-running service that needs nothing else becomes the first process, without s6.
{
  config,
  lib,
  pkgs,
  startServices,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;
  cfg = config.s6;

  enabled = lib.filterAttrs (_: service: service.enable) cfg.services;
  names = import ./s6/order.nix { inherit lib; } enabled;
  lower = import ./s6/lower.nix {
    inherit lib;
    inherit (cfg) shell;
    # The image's own user and variables depend on the services.
    ids = config.users.declaredIds;
    path = import ../flake-module/path.nix { inherit lib; } config.image;
  };
  services = map (name: lower name enabled.${name}) names;

  single = import ./s6/single.nix {
    inherit lib;
    inherit (config.users.declaredIds) gidOfUser;
  } services;
  usesS6 = if cfg.enable == null then services != [ ] && single == null else cfg.enable;
  isFirst = services != [ ] && !usesS6;
  first = builtins.head services;

  capabilities = import ./deploy/capabilities.nix { inherit lib; };
  isDropped =
    name:
    builtins.elem (capabilities.plain name) (
      map capabilities.plain config.image.hardening.capabilities.drop
    );
  # Root gives directories to the users of services, becomes these users, and stops their processes.
  needed = lib.optionals (usesS6 && config.build.user.uid == 0) [
    "CHOWN"
    "DAC_OVERRIDE"
    "FOWNER"
    "KILL"
    "SETGID"
    "SETUID"
  ];
  directories = builtins.concatMap (service: map ({ path, ... }: path) service.directories) services;
  inMemory = [
    "/run"
  ]
  ++ builtins.filter (
    path: fault path == null && hiddenBy config.build.files path == [ ]
  ) directories;
  isBelow = path: other: lib.hasPrefix "${other}/" path;
  inherit (import ./deploy/hidden.nix { inherit lib; }) hiddenBy;
  inherit (import ./deploy/path.nix { inherit lib; }) fault;

  # Not every set of packages has them.
  packageOf =
    name:
    pkgs.${name}
      or (throw "oci-layout: s6.packages: the services of the image need ${name}, which is not in pkgs; add it to pkgs, or set s6.packages");
in
{
  options.s6 = {
    services = mkOption {
      type = types.attrsOf (types.submodule (import ./s6/service.nix { inherit lib; }));
      default = { };
      description = "The services of the image.";
      example = lib.literalExpression ''{ web.command = [ "''${pkgs.nginx}/bin/nginx" "-g" "daemon off;" ]; }'';
    };
    enable = mkOption {
      type = types.nullOr types.bool;
      default = null;
      description = ''
        Whether s6 runs the services. `null` means: unless there is one service of the type `long-run` that needs
        nothing but its user, environment, working directory and signal. That service is then the first process of the
        container, and the image does not contain s6.
      '';
    };
    packages = mkOption {
      type = types.listOf types.package;
      # busybox's setpriv cannot give capabilities to a user.
      default =
        lib.optional (lib.any (service: service.ambientCapabilities != [ ]) (builtins.attrValues enabled)) (
          packageOf "util-linuxMinimal"
        )
        ++ map packageOf [
          "s6"
          "execline"
          "busybox"
        ];
      defaultText = lib.literalMD "s6, execline and busybox of `pkgs`, after `pkgs.util-linuxMinimal` if a service has `ambientCapabilities`";
      description = ''
        The packages that start, stop and supervise services. Their programs come first on the `PATH` of the start script.
      '';
    };
    shell = mkOption {
      type = types.listOf types.str;
      default = [
        "${lib.getBin pkgs.busybox}/bin/busybox"
        "sh"
      ];
      defaultText = lib.literalExpression ''[ "''${lib.getBin pkgs.busybox}/bin/busybox" "sh" ]'';
      description = "The shell that runs scripts, as a program and its first arguments.";
    };
  };

  config = {
    assertions =
      lib.mapAttrsToList (name: service: {
        assertion = (service.command == null) != (service.script == null);
        message =
          if service.command == null then
            "s6.services.${name} has neither command nor script; set one of them"
          else
            "s6.services.${name} has both command and script; remove one of them";
      }) enabled
      ++ lib.optionals config.image.hardening.enable (
        map (name: {
          assertion = !(isDropped name);
          message = "${config.build.place}.hardening.capabilities.drop: s6 needs ${name} to run the services; remove ${name}";
        }) needed
        ++ builtins.concatMap (
          service:
          map (
            { path, ... }:
            {
              assertion = fault path == null;
              message = "s6.services.${service.name}.directories: ${builtins.toJSON path} ${toString (fault path)}";
            }
          ) service.directories
        ) services
        ++ builtins.concatMap (
          service:
          map (name: {
            assertion = !(isDropped name);
            message = "s6.services.${service.name}.ambientCapabilities: ${name} is in ${config.build.place}.hardening.capabilities.drop; remove it from one of them";
          }) service.ambientCapabilities
        ) services
      )
      ++ builtins.concatMap (
        service:
        map (name: {
          assertion = capabilities.isKnown name;
          message = "s6.services.${service.name}.ambientCapabilities: there is no capability ${name}; write names as in capabilities(7), such as NET_BIND_SERVICE";
        }) service.ambientCapabilities
      ) services
      ++ [
        {
          assertion = !(isFirst && single == null);
          message = "s6.enable is false, but ${
            if builtins.length services == 1 then
              "s6.services.${first.name} needs more than a first process"
            else
              "there are ${toString (builtins.length services)} services"
          }; remove s6.enable";
        }
      ];

    build = lib.mkIf (services != [ ]) {
      written = builtins.concatMap (
        service:
        map (file: {
          place = "s6.services.${service.name}.files";
          inherit (file) path;
        }) service.files
      ) services;
      init = lib.mkIf usesS6 (startServices {
        inherit services;
        path = map (package: "${lib.getBin package}") cfg.packages;
      });
      directories = lib.mkMerge (
        [
          # A container without root makes its directories there too.
          (lib.mkIf usesS6 { "/run".mode = "1777"; })
        ]
        ++ map (
          service:
          builtins.listToAttrs (
            map (directory: {
              name = directory.path;
              value = removeAttrs directory [
                "path"
                "recursive"
              ];
            }) service.directories
          )
        ) services
      );
    };

    image = lib.mkIf (services != [ ]) (
      lib.mkMerge [
        (lib.mkIf usesS6 {
          entrypoint = mkDefault [ "${config.build.init}/bin/start-services" ];
          isRoot = mkDefault true;
          # Each start makes its directories again, but not the files that the image has there.
          hardening.tmpfs = builtins.filter (path: !(builtins.any (isBelow path) inMemory)) inMemory;
          # What cannot be added is an error below.
          hardening.capabilities.add = builtins.filter (
            name: capabilities.isKnown name && !(isDropped name)
          ) (needed ++ builtins.concatMap (service: service.ambientCapabilities) services);
        })
        (lib.mkIf (isFirst && single != null) {
          entrypoint = mkDefault single;
          # Stronger than the image's own `PATH`.
          environment = builtins.mapAttrs (_: lib.mkOverride 900) first.environment;
          workingDir = lib.mkIf (first.workingDirectory != null) (mkDefault first.workingDirectory);
          stopSignal = lib.mkIf (first.stopSignal != "SIGTERM") (mkDefault first.stopSignal);
          isRoot = mkDefault (first.user == null || first.user.uid == 0);
          user = lib.mkIf (first.user != null) (mkDefault first.user.name);
        })
      ]
    );
  };
}
