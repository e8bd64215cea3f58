# `image.hardening` and `image.deploy`: how containers of the image run. Labels of the image say it, and `build.deploy` makes
# the same of a layout for podman, Docker, Kubernetes, NixOS and Home Manager.
{
  config,
  lib,
  ociFiles,
  ...
}:
let
  inherit (lib) mkDefault mkIf;
  inherit (config) build image;
  cfg = image.hardening;

  capabilities = import ./deploy/capabilities.nix { inherit lib; };
  run = import ./deploy/run.nix {
    inherit lib image;
    inherit (build) init user;
  };

  each =
    test: message:
    map (value: {
      assertion = test value;
      message = message value;
    });
  option = "${build.place}.hardening";
  inherit (import ./deploy/path.nix { inherit lib; }) fault isLine;
  eachPath =
    place:
    each (path: fault path == null) (
      path: "${place}: ${builtins.toJSON path} ${toString (fault path)}"
    );
  above = one: other: one == other || lib.hasPrefix "${one}/" other;
  inherit (import ./deploy/hidden.nix { inherit lib; }) hiddenBy;
  hidden = path: hiddenBy config.build.files path;
  # Runtimes mount `/dev`.
  writable = [ "/dev" ] ++ run.tmpfs ++ run.volumes;
  isStore = path: above path builtins.storeDir || above builtins.storeDir path;
  isPort = port: (import ./deploy/ports.nix { inherit lib; }).published port != null;
  # A source is the name of a volume, or a directory of the machine.
  isName = source: builtins.match "[a-z0-9]([a-z0-9-]*[a-z0-9])?" source != null;
  sources = builtins.partition (lib.hasPrefix "/") (builtins.attrValues image.deploy.volumes);
in
{
  config = {
    image.hardening.tmpfs = [ "/tmp" ];
    image.labels = mkIf cfg.enable (
      builtins.mapAttrs (_: mkDefault) (import ./deploy/labels.nix { inherit lib run; })
    );

    assertions =
      each isPort (
        port:
        "${build.place}.deploy.ports: expected [ADDRESS:]PORT:CONTAINER_PORT[/PROTOCOL], as in 8080:80, found ${toString port}"
      ) image.deploy.ports
      ++ eachPath "${build.place}.deploy.volumes" (
        builtins.attrNames image.deploy.volumes ++ sources.right
      )
      ++ each (path: !isStore path) (
        path:
        "${build.place}.deploy.volumes: ${path} would hide the programs of the image; choose a directory outside of ${builtins.storeDir}"
      ) (builtins.attrNames image.deploy.volumes)
      ++ each isName (
        source:
        "${build.place}.deploy.volumes: expected the path of a directory of the machine, or a name of a volume in lower-case letters, digits and \"-\", found ${builtins.toJSON source}"
      ) sources.wrong
      ++ lib.optionals cfg.enable (
        eachPath "${option}.tmpfs" cfg.tmpfs
        ++ each (path: !isStore path) (
          path:
          "${option}.tmpfs: ${path} would hide the programs of the image; choose a directory outside of ${builtins.storeDir}"
        ) cfg.tmpfs
        ++ each ({ path, ... }: !run.readOnly || builtins.any (directory: above directory path) writable) (
          { path, place }:
          "${place}: the start cannot write ${path}, because the root is read-only; add its directory to ${option}.tmpfs, or write it below /run"
        ) config.build.written
        # Only podman copies them into the memory.
        ++ each (path: hidden path == [ ]) (
          path:
          "${option}.tmpfs: ${path} would hide ${builtins.head (hidden path)} of the image; move the file, remove ${path}, or set ${option}.readOnlyRootfs = false"
        ) run.tmpfs
        ++ each (name: name == "ALL" || capabilities.isKnown name) (
          name:
          "${option}.capabilities: there is no capability ${name}; write names as in capabilities(7), such as NET_BIND_SERVICE"
        ) (cfg.capabilities.drop ++ cfg.capabilities.add)
        # podman and Docker refuse them.
        ++ each (name: !(builtins.elem name run.drop)) (
          name: "${option}.capabilities: ${name} is in drop and in add; remove it from one of them"
        ) run.add
        ++ [
          {
            assertion = !(cfg.readOnlyRootfs && config.nix.enable);
            message = "${option}.readOnlyRootfs: Nix in the image writes to its store; set ${option}.readOnlyRootfs = false, or remove nix.enable";
          }
        ]
        ++ lib.optional (cfg.seccompProfile != "runtime/default" && cfg.seccompProfile != "unconfined") {
          assertion = isLine "${cfg.seccompProfile}";
          message = "${option}.seccompProfile: ${builtins.toJSON "${cfg.seccompProfile}"} cannot be written in a line";
        }
      );

    build.deploy =
      {
        layout,
        hasOneCheck ? true,
      }:
      let
        it = run // {
          reference = "${run.repository}:${layout.imageTag}";
          healthcheck = if hasOneCheck then run.healthcheck else null;
        };
        scope = {
          inherit
            image
            it
            layout
            lib
            ociFiles
            ;
        };
      in
      builtins.mapAttrs (_: file: import file scope) {
        kubernetes = ./deploy/kubernetes.nix;
        quadlet = ./deploy/quadlet.nix;
        compose = ./deploy/compose.nix;
        nixosModule = ./deploy/nixos.nix;
        homeManagerModule = ./deploy/home-manager.nix;
      };
  };
}
