# The image of `container`, the values of the options of `image`, for one platform. `oci` contains the functions and `pkgs`
# the packages for that platform. `contents` are the files and directories that modules describe, and `place` names the
# options in errors.
{
  lib,
  oci,
  pkgs,
  tag,
  container,
  place,
  contents,
}:
let
  inherit (container)
    gid
    isRoot
    lazy
    uid
    user
    ;
  base = container.fromImage;
  hasBase = base != null;

  dependencies = lib.optional (container.dependencies != [ ]) (
    oci.ociLayerTar {
      name = "oci-dependencies";
      inherit lazy base;
      closure = map lib.getBin container.dependencies;
    }
  );
  program = lib.optional (container.package != null) (
    oci.ociClosureLayers {
      name = "oci-program";
      inherit lazy base;
      closure = [ (lib.getBin container.package) ];
      without = dependencies;
      maxLayers = if container.optimizeLayers then 20 else 1;
    }
  );

  owned = destination: {
    inherit destination uid gid;
    directory = true;
  };
  directories =
    lib.genAttrs (
      # A directory of the store belongs to its package.
      container.volumes
      ++ builtins.filter (path: path != null && path != "/" && !(lib.hasPrefix "/nix/store/" path)) [
        container.workingDir
      ]
    ) owned
    // lib.optionalAttrs (!hasBase) {
      "/tmp" = {
        destination = "/tmp";
        directory = true;
        mode = "1777";
      };
    }
    // contents.directories;

  seconds = number: number * 1000000000;
  exposed =
    port:
    let
      published =
        if builtins.isString port then builtins.match "(.*:)?[0-9]+:([0-9]+)(/[a-z]+)?" port else null;
    in
    if builtins.isInt port then
      "${toString port}/tcp"
    else if published != null then
      throw (
        "${place}.ports: \"${port}\" publishes a port, which ${place}.deploy.ports does; write the port in the container: "
        + builtins.elemAt published 1
      )
    else
      port;
  config = {
    Env = variables container.environment;
    Labels = container.labels;
    User = "${toString uid}:${toString gid}";
    ExposedPorts = lib.genAttrs (map exposed container.ports) (_: { });
    Volumes = lib.genAttrs container.volumes (_: { });
  }
  // lib.optionalAttrs (container.entrypoint != [ ]) { Entrypoint = container.entrypoint; }
  // lib.optionalAttrs (container.workingDir != null) { WorkingDir = container.workingDir; }
  // lib.optionalAttrs (container.stopSignal != null) { StopSignal = container.stopSignal; }
  // lib.optionalAttrs (container.healthcheck != null) {
    Healthcheck = {
      Test = [ "CMD" ] ++ container.healthcheck.command;
      Interval = seconds container.healthcheck.interval;
      Timeout = seconds container.healthcheck.timeout;
      StartPeriod = seconds container.healthcheck.startPeriod;
      Retries = container.healthcheck.retries;
    };
  };
  variables = lib.mapAttrsToList (variable: value: "${variable}=${value}");

  # The store belongs to the user of the container.
  database = lib.optionalAttrs contents.hasNixDatabase {
    initializeNixDatabase = true;
    nixUid = uid;
    nixGid = gid;
  };

  plain = oci.ociBuildImage (
    database
    // {
      inherit
        tag
        config
        lazy
        ;
      inherit (container) fromImage name sbom;
      layers = dependencies ++ program;
      files = builtins.attrValues directories ++ contents.files;
      # The customisation, the database, and the closure of what only `config` and `files` refer to, which is most of an
      # image with services.
      maxLayers =
        builtins.length (dependencies ++ program) + (if container.optimizeLayers then 20 else 3);
    }
  );

  # `debug.sh` needs the first two.
  debugPackages = lib.unique (
    [
      pkgs.bash
      pkgs.coreutils
    ]
    ++ container.debug.packages
  );
  tools = oci.ociLayerTar {
    name = "oci-debug";
    inherit lazy base;
    closure = map lib.getBin debugPackages;
    without = plain.layers;
  };
  # `debug.sh` handles this signal. That of a base is unknown here.
  stopSignal = if container.stopSignal == null then "SIGTERM" else container.stopSignal;
  # One layer above the image without it, whose layers are the same.
  debug = oci.ociBuildImage (
    database
    // {
      inherit lazy tag;
      inherit (container) fromImage name sbom;
      layers = plain.layers ++ [ tools ];
      maxLayers = builtins.length plain.layers + 3;
      config = config // {
        StopSignal = stopSignal;
        Entrypoint = [
          "${lib.getBin pkgs.bash}/bin/bash"
          "-c"
          (builtins.readFile ./debug.sh)
          "debug"
          stopSignal
        ]
        ++ container.entrypoint;
        Env = variables (
          container.environment
          // {
            PATH = "${container.environment.PATH}:${lib.makeBinPath debugPackages}";
          }
        );
      };
    }
  );

  checked =
    lib.throwIf (!isRoot && (uid == 0 || user == "root"))
      "${place}: user ${user} with uid ${toString uid} means root; set isRoot = true to run the program as root";
in
checked (if container.debug.enable then debug else plain)
