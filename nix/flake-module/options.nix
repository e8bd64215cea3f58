# The options of a container. They are the reference too, which is rendered without nixpkgs: of `lib` they use nothing
# but `mkOption`, `literalExpression`, `literalMD` and names of `types`, and a default that is computed has its text.
{ lib, config, name, pkgs, system }:
let
  inherit (lib) literalExpression literalMD mkOption types;

  main = config.package.meta.mainProgram or (throw ''
    oci.containers.${name}: the package ${config.package.name} does not say its main program (meta.mainProgram), so say entrypoint'');
in
{
  package = mkOption {
    type = types.nullOr types.package;
    default = null;
    description = ''
      The program that the image is for. It comes with its runtime closure, each path at its own place in the store,
      and its programs are on `PATH`. With `null` the image is what `fromImage`, `dependencies` and `entrypoint` say.
    '';
    example = literalExpression "pkgs.kubectl";
  };

  dependencies = mkOption {
    type = types.listOf types.package;
    default = [ ];
    description = ''
      What the program finds on `PATH` besides itself. They are a layer of their own, the lowest one: it stays as it is
      when the program changes, and containers with the same dependencies share it.
    '';
    example = literalExpression "[ pkgs.git pkgs.openssh ]";
  };

  name = mkOption {
    type = types.str;
    default = name;
    defaultText = literalMD "the name of the container";
    description = "The name of the image, without a tag.";
    example = "ghcr.io/me/app";
  };

  tag = mkOption {
    type = types.str;
    # A tag has no `+`, and versions do.
    default = builtins.replaceStrings [ "+" "~" ] [ "-" "-" ] (config.package.version or "latest");
    defaultText = literalMD "the version of `package`, with `-` for `+`, or `latest` if it has none";
    description = "The tag of the image.";
    example = "1.4.2";
  };

  tags = mkOption {
    type = types.listOf types.str;
    default = [ config.tag ];
    defaultText = literalExpression "[ tag ]";
    description = "All tags of the image, in place of the one that `tag` says.";
    example = [ "1.4.2" "1.4" "latest" ];
  };

  entrypoint = mkOption {
    type = types.listOf types.str;
    default = if config.package == null then [ ] else [ "${lib.getBin config.package}/bin/${main}" ];
    defaultText = literalExpression ''[ "''${lib.getBin package}/bin/''${package.meta.mainProgram}" ]'';
    description = ''
      What a container runs, as a program and its first arguments, without a shell. Those that are given when it is
      started follow them. The empty list leaves it to `fromImage`.
    '';
    example = literalExpression ''[ "''${pkgs.python3}/bin/python3" "-m" "http.server" ]'';
  };

  environment = mkOption {
    type = types.attrsOf types.str;
    default = { };
    defaultText = literalMD "`PATH`, with the programs of `package` and `dependencies`, and then the usual folders";
    description = ''
      Environment variables. What they refer to in the store comes into the image. A `PATH` of your own replaces the
      one that is computed.
    '';
    example = literalExpression ''{ SSL_CERT_FILE = "''${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; }'';
  };

  labels = mkOption {
    type = types.attrsOf types.str;
    default = { };
    defaultText = literalMD ''
      `org.opencontainers.image.title`, `.version`, `.description`, `.url` and `.licenses`, as far as `name` and `meta`
      of `package` say them; `.licenses` of a package with one licence
    '';
    description = "Labels of the image. Those that you say go over the ones of the package, one by one.";
    example = { "org.opencontainers.image.source" = "https://example.org/app.git"; };
  };

  ports = mkOption {
    type = types.listOf (types.either types.port types.str);
    default = [ ];
    description = "The ports that the program listens on: a number, which is one of TCP, or `\"PORT/PROTOCOL\"`.";
    example = [ 8080 "53/udp" ];
  };

  volumes = mkOption {
    type = types.listOf types.path;
    default = [ ];
    description = "The directories that hold data. In the image they are empty, and belong to the user of the container.";
    example = [ "/var/lib/app" ];
  };

  workingDir = mkOption {
    type = types.nullOr types.path;
    default = null;
    description = ''
      The directory that the program starts in. It belongs to the user of the container. With `null` it is that of
      `fromImage`, or `/`.
    '';
    example = "/var/lib/app";
  };

  stopSignal = mkOption {
    type = types.nullOr types.str;
    default = null;
    description = "The signal that asks the program to end. With `null` it is that of `fromImage`, or `SIGTERM`.";
    example = "SIGQUIT";
  };

  healthcheck = mkOption {
    type = types.nullOr (types.submodule {
      options = {
        command = mkOption {
          type = types.listOf types.str;
          description = "What tells by its exit status whether the program is well: a program and its arguments.";
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
          description = "The time after which a check has failed, in seconds.";
        };
        startPeriod = mkOption {
          type = types.ints.unsigned;
          default = 0;
          description = "The time that the program may take to start, in seconds: failures in it do not count.";
        };
        retries = mkOption {
          type = types.ints.positive;
          default = 3;
          description = "The number of failures in a row after which the container is unhealthy.";
        };
      };
    });
    default = null;
    description = ''
      How it is checked that the program is well. Docker does it; podman only for images in Docker's format, or if it
      is told to on its command line; Kubernetes has its own probes.
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
      The name of the user that the program runs as. Without `fromImage`, whose business they would be, the image has
      `/etc/passwd` and `/etc/group` with that name, an empty `/home/NAME` that belongs to it, and `/tmp`.
    '';
    example = "app";
  };

  uid = mkOption {
    type = types.ints.unsigned;
    default = if config.isRoot then 0 else if config.user == "nobody" then 65534 else 65532;
    defaultText = literalMD "65532; 65534 for `nobody`; 0 with `isRoot`";
    description = ''
      The number of that user. The image says it, and not the name, so that Kubernetes can see that it is not root.
    '';
    example = 1000;
  };

  gid = mkOption {
    type = types.ints.unsigned;
    default = config.uid;
    defaultText = literalExpression "uid";
    description = "The number of the user's group, which has the user's name.";
    example = 1000;
  };

  fromImage = mkOption {
    type = types.nullOr (types.either types.path (types.attrsOf types.raw));
    default = null;
    description = ''
      The image below: a layout, or `{ layout; tag; }` where that has several images. What no option says is taken
      over from it. Of several platforms in it, each image takes its own. Its symbolic links and directories stay what they
      are, but for the owners of `volumes` and `workingDir`.
    '';
    example = literalExpression ''{ layout = ./alpine; tag = "3.21"; }'';
  };

  platforms = mkOption {
    type = types.listOf types.str;
    default = [ (builtins.replaceStrings [ "-darwin" ] [ "-linux" ] system) ];
    defaultText = literalMD "the system that it is built on, or Linux on the same processor if that is Darwin";
    description = ''
      The systems that the image is for, in Nix's words. Each one's packages are those that `perSystem` gives to the
      same container there. They come from a cache, or from a builder for that system; layers and documents are made
      here. Several are one image for all of them.
    '';
    example = [ "x86_64-linux" "aarch64-linux" ];
  };

  optimizeLayers = mkOption {
    type = types.bool;
    default = true;
    description = ''
      Whether the closure of `package` is split into as many as 20 layers, so that a new version brings few of them.
      Otherwise it is one layer.
    '';
  };

  lazy = mkOption {
    type = types.bool;
    default = false;
    description = ''
      Whether the store keeps recipes in the place of layers, a few kilobytes, and the layout is sparse. `copyToRegistry`,
      `push` and the others take it as it is; for what needs the layers as files, `oci-layout fill` makes them.
    '';
  };

  debug = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether there is a second image, with `-debug` behind its name in the flake and behind its tags, and with the
        layers of the first one and one more. When the program in it ends, it says how, and the container waits, so
        that you can enter it.
      '';
    };

    packages = mkOption {
      type = types.listOf types.package;
      default = [ pkgs.coreutils pkgs.bash pkgs.curl ];
      defaultText = literalExpression "[ pkgs.coreutils pkgs.bash pkgs.curl ]";
      description = "What is on `PATH` in that image too.";
      example = literalExpression "[ pkgs.busybox pkgs.strace ]";
    };
  };
}
