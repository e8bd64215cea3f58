# The options that say how the image wants to run. They are part of those of a container, and have the same restrictions:
# see `options.nix`.
{ lib }:
let
  inherit (lib)
    literalExpression
    mkOption
    types
    ;
in
{
  hardening = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether containers of the image run with the restrictions of the other options of `hardening`. The image has labels
        that say so, and every result in `deploy` asks the runtime for them: [deployment.md](deployment.md). The files of
        the image are the same without.
      '';
    };
    readOnlyRootfs = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether the program cannot change the files of the image. It writes to `volumes` and to the directories of
        `hardening.tmpfs`.
      '';
    };
    tmpfs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = ''
        Directories in memory, which are empty when a container starts, if the root is read-only. `/tmp` is one of them, and
        so are `/run` and the directories of the services if s6 runs services. What is in a volume stays there.
      '';
      example = [ "/var/cache/app" ];
    };
    noNewPrivileges = mkOption {
      type = types.bool;
      default = true;
      description = "Whether setuid programs and files with capabilities give a process nothing more than it has.";
    };
    capabilities = {
      drop = mkOption {
        type = types.listOf types.str;
        default = [ "ALL" ];
        description = "The capabilities that containers do not have, with or without `CAP_`.";
        example = [ "NET_RAW" ];
      };
      add = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = ''
          The capabilities that containers have nevertheless. If s6 runs services, it adds what it needs to start them as
          their users.
        '';
        example = [ "NET_BIND_SERVICE" ];
      };
    };
    seccompProfile = mkOption {
      type = types.either (types.enum [
        "runtime/default"
        "unconfined"
      ]) types.path;
      default = "runtime/default";
      description = "The system calls that are allowed: those of the runtime's own profile, all of them, or those of a file.";
      example = literalExpression "./seccomp.json";
    };
  };

  deploy = {
    ports = mkOption {
      type = types.listOf (types.either types.port types.str);
      default = [ ];
      description = ''
        The ports that the machine passes on to the container: a number for the same TCP port on both sides, or
        `"[ADDRESS:]PORT:CONTAINER_PORT[/PROTOCOL]"`. Kubernetes has services instead.
      '';
      example = [
        8080
        "127.0.0.1:5353:53/udp"
      ];
    };
    volumes = mkOption {
      type = types.attrsOf types.str;
      default = { };
      description = ''
        What is mounted at which directory of the container: the name of a volume, which Kubernetes takes for that of a
        claim, or the path of a directory of the machine. The data in other `volumes` of the image end with the container.
      '';
      example = {
        "/var/lib/app" = "app-data";
        "/srv/www" = "/home/me/www";
      };
    };
    restart = mkOption {
      type = types.enum [
        "always"
        "on-failure"
        "no"
      ];
      default = "always";
      description = "When the container starts again after its end.";
    };
  };
}
