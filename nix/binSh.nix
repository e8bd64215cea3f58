{ ociFiles, pkgs, ... }:
/**
  `/bin/sh`, a link to the bash of nixpkgs.
*/
if pkgs == null
then throw "oci-layout: binSh is a bash of nixpkgs, and no pkgs were given: make the link with ociFiles"
else ociFiles {
  name = "bin-sh";
  files = [ { destination = "/bin/sh"; symlink = "${pkgs.bashInteractive}/bin/bash"; } ];
}
