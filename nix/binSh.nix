/**
  A package with `/bin/sh`, a symbolic link to the bash of nixpkgs.
*/
{ ociFiles, pkgs }:
if pkgs == null then
  throw "oci-layout: binSh requires nixpkgs; pass pkgs, or make the link with ociFiles"
else
  ociFiles {
    name = "bin-sh";
    files = [
      {
        destination = "/bin/sh";
        symlink = "${pkgs.bashInteractive}/bin/bash";
      }
    ];
  }
