# The options of a container, and of `image` in modules. A test renders the reference from them without nixpkgs. So they use only `mkOption`,
# `literalExpression`, `literalMD` and `types` of `lib`, and every computed default has a `defaultText`.
{
  lib,
  config,
  name,
  pkgs,
  system,
  option ? "oci.containers.${name}", # in errors
}:
let
  inherit (lib)
    literalExpression
    literalMD
    mkOption
    types
    ;

  main =
    config.package.meta.mainProgram
      or (throw "${option}: the package ${config.package.name} has no meta.mainProgram; set entrypoint");
in
{
  package = mkOption {
    type = types.nullOr types.package;
    default = null;
    description = ''
      The program of the image. The image contains its runtime closure, each path at its own place in the store, and
      `PATH` contains its programs. With `null`, `fromImage`, `dependencies` and `entrypoint` define the image.
    '';
    example = literalExpression "pkgs.kubectl";
  };

  dependencies = mkOption {
    type = types.listOf types.package;
    default = [ ];
    description = ''
      Further packages whose programs are on `PATH`. They form a separate layer, the lowest one, which does not change
      with the program. Containers with the same dependencies share it.
    '';
    example = literalExpression "[ pkgs.git pkgs.openssh ]";
  };

  name = mkOption {
    type = types.str;
    default = name;
    defaultText = literalMD "the name of the container";
    description = "The name of the image without a tag.";
    example = "ghcr.io/me/app";
  };

  tag = mkOption {
    type = types.str;
    # A version may contain `+` and `~`; a tag may not.
    default = builtins.replaceStrings [ "+" "~" ] [ "-" "-" ] (config.package.version or "latest");
    defaultText = literalMD "the version of `package`, with `-` for `+` and `~`, or `latest` if it has none";
    description = "The tag of the image.";
    example = "1.4.2";
  };

  tags = mkOption {
    type = types.listOf types.str;
    default = [ config.tag ];
    defaultText = literalExpression "[ tag ]";
    description = "All tags of the image. They replace `tag`.";
    example = [
      "1.4.2"
      "1.4"
      "latest"
    ];
  };

  entrypoint = mkOption {
    type = types.listOf types.str;
    default = if config.package == null then [ ] else [ "${lib.getBin config.package}/bin/${main}" ];
    defaultText = literalExpression ''[ "''${lib.getBin package}/bin/''${package.meta.mainProgram}" ]'';
    description = ''
      The program that a container runs, and its first arguments, without a shell. The arguments of the start command
      follow them. The empty list keeps the entry point of `fromImage`.
    '';
    example = literalExpression ''[ "''${pkgs.python3}/bin/python3" "-m" "http.server" ]'';
  };

  environment = mkOption {
    type = types.attrsOf types.str;
    default = { };
    defaultText = literalMD "`PATH`, with the programs of `package` and `dependencies`, followed by the usual folders";
    description = ''
      Environment variables. The image contains the closure of what they refer to in the store. A value for `PATH`
      replaces the computed one.
    '';
    example = literalExpression ''{ SSL_CERT_FILE = "''${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; }'';
  };

  labels = mkOption {
    type = types.attrsOf types.str;
    default = { };
    defaultText = literalMD ''
      `org.opencontainers.image.title`, `.version`, `.description`, `.url` and `.licenses`, from `name`, and from the
      version and `meta` of `package`; `.licenses` only if the package has exactly one licence
    '';
    description = "Labels of the image. Each of them overrides the default label of the same name.";
    example = {
      "org.opencontainers.image.source" = "https://example.org/app.git";
    };
  };

  ports = mkOption {
    type = types.listOf (types.either types.port types.str);
    default = [ ];
    description = "The ports that the program listens on: a number for TCP, or `\"PORT/PROTOCOL\"`.";
    example = [
      8080
      "53/udp"
    ];
  };

  volumes = mkOption {
    type = types.listOf types.path;
    default = [ ];
    description = "The directories for data. They are empty in the image, and the user of the container owns them.";
    example = [ "/var/lib/app" ];
  };

  workingDir = mkOption {
    type = types.nullOr types.path;
    default = null;
    description = ''
      The working directory of the program, which the user of the container owns. With `null` it is that of `fromImage`,
      or `/`.
    '';
    example = "/var/lib/app";
  };

  stopSignal = mkOption {
    type = types.nullOr types.str;
    default = null;
    description = "The signal that stops the program. With `null` it is that of `fromImage`, or `SIGTERM`.";
    example = "SIGQUIT";
  };

  healthcheck = mkOption {
    type = types.nullOr (
      types.submodule {
        options = {
          command = mkOption {
            type = types.listOf types.str;
            description = "A program and its arguments. Its exit status is 0 if the container is healthy.";
            example = literalExpression ''[ "''${pkgs.curl}/bin/curl" "-f" "http://localhost:8080/" ]'';
          };
          interval = mkOption {
            type = types.ints.positive;
            default = 30;
            description = "The time between two checks, in seconds.";
          };
          timeout = mkOption {
            type = types.ints.positive;
            default = 30;
            description = "The time after which a check fails, in seconds.";
          };
          startPeriod = mkOption {
            type = types.ints.unsigned;
            default = 0;
            description = "The time that the program has to start, in seconds. Failures in this time do not count.";
          };
          retries = mkOption {
            type = types.ints.positive;
            default = 3;
            description = "The number of consecutive failures after which the container is unhealthy.";
          };
        };
      }
    );
    default = null;
    description = ''
      The health check of the container. Docker runs it. podman runs it only for images in Docker's format, or if its
      command line asks for it. Kubernetes has its own probes.
    '';
    example = literalExpression ''{ command = [ "''${pkgs.curl}/bin/curl" "-f" "http://localhost:8080/" ]; interval = 10; }'';
  };

  isRoot = mkOption {
    type = types.bool;
    default = false;
    description = "Whether the program runs as root.";
  };

  user = mkOption {
    type = types.str;
    default = if config.isRoot then "root" else "nonroot";
    defaultText = literalMD "`nonroot`, or `root` with `isRoot`";
    description = ''
      The name of the user that runs the program. Without `fromImage`, the image contains `/etc/passwd` and `/etc/group`
      with this name, an empty `/home/NAME` that the user owns, and `/tmp`. With `fromImage`, the base provides them.
    '';
    example = "app";
  };

  uid = mkOption {
    type = types.ints.unsigned;
    default =
      if config.isRoot then
        0
      else if config.user == "nobody" then
        65534
      else
        65532;
    defaultText = literalMD "65532; 65534 for `nobody`; 0 with `isRoot`";
    description = ''
      The number of the user. The image names the user by this number, so that Kubernetes can verify that it is not root.
    '';
    example = 1000;
  };

  gid = mkOption {
    type = types.ints.unsigned;
    default = config.uid;
    defaultText = literalExpression "uid";
    description = "The number of the user's group. The group has the same name as the user.";
    example = 1000;
  };

  modules = mkOption {
    type = types.listOf types.raw;
    default = [ ];
    description = ''
      Modules of `ociMakeImage`, for users, files and services. The options of the container are `image` in these modules,
      and the image has the same digest as that of `ociMakeImage`.
    '';
    example = literalExpression ''[ { s6.services.web.command = [ "''${pkgs.nginx}/bin/nginx" ]; } ]'';
  };

  fromImage = mkOption {
    type = types.nullOr (types.either types.path (types.attrsOf types.raw));
    default = null;
    description = ''
      The base image: a layout, or `{ layout; tag; }` to select one image of several. It provides every setting that no
      option sets. For a multi-platform base, each image takes the base of its own platform. The symbolic links and
      directories of the base do not change, except for the owners of `volumes` and `workingDir`.
    '';
    example = literalExpression ''{ layout = ./alpine; tag = "3.21"; }'';
  };

  platforms = mkOption {
    type = types.listOf types.str;
    default = [ (builtins.replaceStrings [ "-darwin" ] [ "-linux" ] system) ];
    defaultText = literalMD "the system that builds the image, or Linux on the same processor if that is Darwin";
    description = ''
      The systems that the image is for, as Nix names them. The packages for each system are those that `perSystem` sets
      for the same container on that system. They come from a cache, or from a builder for that system; the local system
      builds the layers and documents. Several systems give one multi-platform image.
    '';
    example = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };

  optimizeLayers = mkOption {
    type = types.bool;
    default = true;
    description = ''
      Whether the closure of `package` is split into up to 20 layers, so that a new version changes few of them. Otherwise
      it is one layer.
    '';
  };

  sbom = mkOption {
    type = types.enum [
      false
      true
      "cyclonedx"
      "spdx"
      "buildkit"
    ];
    default = false;
    description = "Whether the image gets a bill of materials, and in which format; see `sbom` of `ociBuildImage`.";
    example = true;
  };

  lazy = mkOption {
    type = types.bool;
    default = false;
    description = ''
      Whether the store keeps recipes of a few kilobytes instead of layers, in a sparse layout. `copyToRegistry`, `push`
      and the other programs accept it. `oci-layout fill` builds the layers for tools that need them as files.
    '';
  };

  flavours = mkOption {
    type = types.attrsOf types.deferredModule;
    default = { };
    description = ''
      Variants of the image by their names. Each is a module of `ociMakeImage`, which is added to those of the image, and
      gives a further image with `-NAME` at the end of its tags: the attribute `flavours.NAME`, or `oci-CONTAINER-NAME`
      in a flake, if the container and not its `modules` declares it.
    '';
    example = {
      debug.image.debug.enable = true;
    };
  };

  inherit (import ./deployment.nix { inherit lib; }) deploy hardening;

  debug = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the image is for finding faults, which is usually a flavour: when its program ends, the container reports
        how, and keeps running so that you can enter it. The image has one more layer than without. Of `fromImage`, it
        takes neither the entry point nor the stop signal: set `entrypoint` and `stopSignal` if the base has them.
      '';
    };

    packages = mkOption {
      type = types.listOf types.package;
      default = [
        pkgs.coreutils
        pkgs.bash
        pkgs.curl
      ];
      defaultText = literalExpression "[ pkgs.coreutils pkgs.bash pkgs.curl ]";
      description = "Further packages whose programs are on `PATH` with `debug.enable`.";
      example = literalExpression "[ pkgs.busybox pkgs.strace ]";
    };
  };
}
