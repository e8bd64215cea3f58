# How a container of the image runs, in one form for all formats.
{
  lib,
  image,
  user,
}:
let
  cfg = image.hardening;
  inherit (import ./capabilities.nix { inherit lib; }) plain;
  unique = names: lib.unique (map plain names);

  below = path: other: other == path || lib.hasPrefix "${other}/" path;
  mounts = builtins.attrNames image.deploy.volumes;
  volumes = lib.unique (map toString image.volumes ++ mounts);
  # Without those in a volume or in another directory in memory.
  tmpfs =
    let
      all = lib.unique cfg.tmpfs;
    in
    builtins.filter (
      path:
      !(builtins.any (below path) volumes)
      && !(builtins.any (other: other != path && below path other) all)
    ) all;

  pattern = "(([0-9.]+|[[][0-9a-fA-F:]+]):)?([0-9]{1,5}):([0-9]{1,5})(/(tcp|udp|sctp))?";
  portOf =
    port:
    if builtins.isInt port then
      {
        address = null;
        host = toString port;
        container = toString port;
        protocol = "tcp";
      }
    else
      let
        parts = builtins.match pattern port;
        part = builtins.elemAt parts;
      in
      if parts == null then
        null
      else
        {
          address = part 1;
          host = part 2;
          container = part 3;
          protocol = if part 5 == null then "tcp" else part 5;
        };
  # The ports that the program listens on: number and protocol.
  listens =
    map
      (
        port:
        let
          parts = if builtins.isInt port then null else builtins.match "([0-9]+)(/(.*))?" port;
        in
        if builtins.isInt port then
          {
            number = port;
            protocol = "tcp";
          }
        else
          {
            number = builtins.fromJSON (builtins.head parts);
            protocol = if builtins.elemAt parts 2 == null then "tcp" else builtins.elemAt parts 2;
          }
      )
      (
        builtins.filter (
          port: builtins.isInt port || builtins.match "[1-9][0-9]*(/[a-z]+)?" port != null
        ) image.ports
      );
in
rec {
  inherit portOf;
  name = builtins.replaceStrings [ "." "_" ] [ "-" "-" ] (lib.last (lib.splitString "/" image.name));
  readOnly = cfg.enable && cfg.readOnlyRootfs;
  tmpfsPaths = lib.optionals readOnly tmpfs;
  noNewPrivileges = cfg.enable && cfg.noNewPrivileges;
  drop = lib.optionals cfg.enable (unique cfg.capabilities.drop);
  add = lib.optionals cfg.enable (unique cfg.capabilities.add);
  # `null`, `"unconfined"`, or a file.
  seccomp =
    if !cfg.enable || cfg.seccompProfile == "runtime/default" then
      null
    else if cfg.seccompProfile == "unconfined" then
      "unconfined"
    else
      "${cfg.seccompProfile}";

  # With the names of the image. A name without a registry is never pulled: it would be an image of somebody else.
  of =
    layout:
    let
      isLocal = builtins.match "[^/]*[.:][^/]*/.*" layout.imageName == null;
    in
    {
      inherit
        add
        drop
        isLocal
        listens
        name
        noNewPrivileges
        readOnly
        seccomp
        user
        volumes
        ;
      inherit (image) healthcheck;
      inherit (image.deploy) restart;
      isHardened = cfg.enable;
      tmpfs = tmpfsPaths;
      mounts = image.deploy.volumes;
      ports = map portOf image.deploy.ports;
      # As podman and Docker complete it.
      reference =
        (
          if !isLocal || lib.hasPrefix "localhost/" layout.imageName then
            ""
          else if lib.hasInfix "/" layout.imageName then
            "docker.io/"
          else
            "docker.io/library/"
        )
        + "${layout.imageName}:${layout.imageTag}";
      # Not every runtime lets other users than root listen on them.
      hasLowPort = user.uid != 0 && builtins.any (port: port.number < 1024) listens;
      seccompFile = if seccomp == null || seccomp == "unconfined" then null else "${name}-seccomp.json";
    };
}
