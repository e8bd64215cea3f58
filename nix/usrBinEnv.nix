/**
  A package with `/usr/bin/env`, a symbolic link to the coreutils of nixpkgs.
*/
{ ociFiles, pkgs }:
if pkgs == null then
  throw "oci-layout: usrBinEnv requires nixpkgs; pass pkgs, or make the link with ociFiles"
else
  ociFiles {
    name = "usr-bin-env";
    files = [
      {
        destination = "/usr/bin/env";
        symlink = "${pkgs.coreutils}/bin/env";
      }
    ];
  }
