# Nix for one user other than root. The entry point is a shell.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault;
  bash = "${pkgs.bashInteractive}/bin/bash";
  certificates = "/etc/ssl/certs/ca-certificates.crt";
  link = destination: symlink: { inherit destination symlink; };
in
{
  image = {
    name = mkDefault "nix";
    tag = mkDefault (config.nix.package.version or "latest");
    user = "nix";
    workingDir = mkDefault "/home/nix";
    entrypoint = mkDefault [ bash ];
    interactive = true;
    environment = builtins.mapAttrs (_: mkDefault) {
      # Nix asks for the name of the user, which no runtime sets.
      USER = "nix";
      # For `nix-shell -p` and `<nixpkgs>`: what `nix run nixpkgs#…` uses.
      NIX_PATH = "nixpkgs=flake:nixpkgs";
      NIX_SSL_CERT_FILE = certificates;
      SSL_CERT_FILE = certificates;
      GIT_SSL_CAINFO = certificates;
    };
  };

  nix.enable = true;
  nix.settings.experimental-features = mkDefault [
    "nix-command"
    "flakes"
  ];

  users.users.nix = {
    isNormalUser = true;
    uid = 1000;
  };

  environment.systemPackages = [ pkgs.git ];
  environment.etc."ssl/certs/ca-certificates.crt".source =
    "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
  # Scripts and builders name these.
  files = [
    (link "/bin/sh" bash)
    (link "/usr/bin/env" "${pkgs.coreutils}/bin/env")
  ];
}
