# What the module of an image defines on a machine with a real NixOS, as true statements.
{
  lib,
  nixos,
  one,
  pkgs,
}:
let
  machine =
    modules:
    (import (nixos + "/nixos/lib/eval-config.nix") {
      inherit lib;
      system = builtins.currentSystem;
      modules = [
        {
          boot.isContainer = true;
          nixpkgs.pkgs = pkgs;
          system.stateVersion = "25.05";
        }
        one.deploy.nixosModule
      ]
      ++ modules;
    }).config;
  serviceOf =
    backend: modules:
    (machine ([ { virtualisation.oci-containers = { inherit backend; }; } ] ++ modules))
    .systemd.services."${backend}-web";
  # Without the quotes of some versions.
  words =
    text:
    lib.filter (word: word != "") (
      lib.splitString " " (lib.replaceStrings [ "\\\n" "'" ] [ "" "" ] text)
    );
  has = service: builtins.all (word: builtins.elem word (words service.script));
  podman = serviceOf "podman" [ ];
  docker = serviceOf "docker" [ ];
in
{
  module-runs-podman = has podman [
    "--read-only"
    "--tmpfs=/tmp:U"
    "--security-opt=no-new-privileges"
    "--cap-drop=ALL"
    "--cap-add=NET_BIND_SERVICE"
    "--sysctl=net.ipv4.ip_unprivileged_port_start=0"
    "8080:8080/tcp"
    "web-data:/var/lib/web"
    "registry.example/me/web:1.0"
  ];
  module-quotes-for-the-shell = lib.hasInfix "'--tmpfs=/var/cache/my $app:U'" podman.script;
  module-loads-the-layout-first =
    builtins.head podman.serviceConfig.ExecStartPre == "${one.copyToPodman}/bin/copy-to-podman"
    && builtins.length podman.serviceConfig.ExecStartPre == 2
    && builtins.elem pkgs.skopeo podman.path;
  module-restarts-as-the-image-says = podman.serviceConfig.Restart == "on-failure";
  module-runs-docker =
    has docker [
      "--read-only"
      "--tmpfs=/tmp:uid=65532,gid=65532"
    ]
    && !(lib.hasInfix "--health-cmd" docker.script)
    &&
      builtins.head docker.serviceConfig.ExecStartPre
      == "${one.copyToDockerDaemon}/bin/copy-to-docker-daemon";
  module-is-open-to-options = has (serviceOf "podman" [
    { virtualisation.oci-containers.containers.web.environmentFiles = [ "/run/secrets/web" ]; }
  ]) [ "/run/secrets/web" ];
}
