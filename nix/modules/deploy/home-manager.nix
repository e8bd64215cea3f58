# `deploy.homeManagerModule`: a quadlet of `services.podman`, which loads the layout before each start.
{
  image,
  it,
  layout,
  lib,
  ociFiles,
  ...
}@scope:
let
  inherit ((import ./quadlet.nix scope).unit) Container Service;
in
{ pkgs, ... }:
{
  services.podman = {
    enable = true;
    containers.${it.name} = {
      image = Container.Image;
      extraConfig = {
        Container = removeAttrs Container [ "Image" ];
        Service = Service // {
          # By default, systemd gives 90 seconds, also to what loads the image.
          TimeoutStartSec = 900;
          # The search path of such a unit has the programs that podman needs, but not skopeo.
          ExecStartPre = "${pkgs.coreutils}/bin/env PATH=${pkgs.skopeo}/bin:/run/wrappers/bin:/usr/bin ${layout.copyToPodman}/bin/copy-to-podman";
        };
      };
    };
  };
}
