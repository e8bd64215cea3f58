# How a container of the image runs, in one form for all formats.
{
  lib,
  image,
  user,
  # Starts the services, or `null`.
  init,
}:
let
  cfg = image.hardening;
  inherit (import ./capabilities.nix { inherit lib; }) plain;
  unique = names: lib.unique (map plain names);

  below = path: other: other == path || lib.hasPrefix "${other}/" path;
  volumes = lib.unique (
    map (path: lib.removeSuffix "/" "${path}") image.volumes ++ builtins.attrNames image.deploy.volumes
  );
  # Without those in a volume. A directory comes before those that it contains.
  inMemory = builtins.sort builtins.lessThan (
    builtins.filter (path: !(builtins.any (below path) volumes)) (lib.unique cfg.tmpfs)
  );

  inherit (import ./ports.nix { inherit lib; }) exposed published write;
in
rec {
  inherit user volumes;
  # Its program is in the image, and no machine needs it.
  healthcheck =
    if image.healthcheck == null then
      null
    else
      image.healthcheck
      // {
        command = map builtins.unsafeDiscardStringContext image.healthcheck.command;
      };
  inherit (image.deploy) restart;
  # As Kubernetes and compose files allow it.
  name = builtins.replaceStrings [ "." "_" ] [ "-" "-" ] (lib.last (lib.splitString "/" image.name));

  isHardened = cfg.enable;
  readOnly = isHardened && cfg.readOnlyRootfs;
  tmpfs = lib.optionals readOnly inMemory;
  noNewPrivileges = isHardened && cfg.noNewPrivileges;
  drop = lib.optionals isHardened (unique cfg.capabilities.drop);
  add = lib.optionals isHardened (unique cfg.capabilities.add);
  # `null`, `"unconfined"`, or the path of a file, and the name of this file.
  seccomp =
    if !isHardened || cfg.seccompProfile == "runtime/default" then null else "${cfg.seccompProfile}";
  seccompFile = if seccomp == null || seccomp == "unconfined" then null else "${name}-seccomp.json";

  mounts = image.deploy.volumes;
  ports = map (port: write (published port)) image.deploy.ports;
  listens = exposed image.ports;
  # Not every runtime lets other users than root listen on them. Services have such users.
  hasLowPort = builtins.any (port: port.number < 1024) listens && (user.uid != 0 || init != null);

  # The image is never pulled if its name has no registry: another one has this name there.
  isLocal = builtins.match "[^/]*[.:][^/]*/.*" image.name == null;
  # As podman and Docker complete the name.
  repository =
    if !isLocal || lib.hasPrefix "localhost/" image.name then
      image.name
    else if lib.hasInfix "/" image.name then
      "docker.io/${image.name}"
    else
      "docker.io/library/${image.name}";
}
