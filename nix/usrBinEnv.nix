{ ociFiles, pkgs, ... }:
/**
  `/usr/bin/env`, a link to the coreutils of nixpkgs.
*/
if pkgs == null
then throw "oci-layout: usrBinEnv is the env of nixpkgs, and no pkgs were given: make the link with ociFiles"
else ociFiles {
  name = "usr-bin-env";
  files = [ { destination = "/usr/bin/env"; symlink = "${pkgs.coreutils}/bin/env"; } ];
}
