# The image of `oci-layout serve --packages`, with Nix, git and certificates, for Kubernetes (docs/on-demand.md) and podman.
#
# Nix adds packages to /nix/store in the container, as the user 1000, and the database knows the paths of the image. They
# are lost when the container is removed. What the registry knows, and the layers that it stores, are in /var/lib/oci-layout.
# Mount a volume there, and none at /nix, where it would hide the programs of the image.
{
  pkgs, # nixpkgs, with the overlay of oci-layout
  oci ? pkgs.ociLib,
}:
let
  number = 1000;
  home = "/var/lib/oci-layout";
  owned = destination: {
    inherit destination;
    directory = true;
    uid = number;
    gid = number;
  };
in
oci.ociBuildImage {
  name = "oci-layout-with-nix";
  tag = pkgs.oci-layout.version;

  config = {
    Entrypoint = [ "${pkgs.oci-layout}/bin/oci-layout" ];
    Cmd = [
      "serve"
      "--packages=channel:nixos-25.05"
      "--state=${home}"
      "--store-layers=always"
      "--listen=:5000"
    ];
    Env = [
      "PATH=${pkgs.nix}/bin:${pkgs.git}/bin:${pkgs.coreutils}/bin"
      "HOME=${home}"
      "NIX_SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"
      "GIT_SSL_CAINFO=/etc/ssl/certs/ca-bundle.crt"
    ];
    User = "${toString number}:${toString number}";
    ExposedPorts."5000/tcp" = { };
    Volumes.${home} = { };
  };

  copyToRoot = [
    oci.caCertificates
    (oci.fakeNss {
      extraPasswdLines = [ "oci-layout:x:${toString number}:${toString number}::${home}:/sbin/nologin" ];
      extraGroupLines = [ "oci-layout:x:${toString number}:" ];
    })
  ];
  files = [
    (owned home)
    {
      destination = "/tmp";
      directory = true;
      mode = "1777";
    }
  ];

  initializeNixDatabase = true;
  nixUid = number;
  nixGid = number;
}
