{ ociFiles, pkgs, ... }:
/**
  The certificates of nixpkgs, where programs look for them: `/etc/ssl/certs/ca-bundle.crt`,
  `/etc/ssl/certs/ca-certificates.crt` and `/etc/pki/tls/certs/ca-bundle.crt`.
*/
if pkgs == null
then throw "oci-layout: caCertificates are those of nixpkgs, and no pkgs were given: make the link with ociFiles"
else ociFiles {
  name = "ca-certificates";
  files = map (destination: { inherit destination; symlink = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; }) [
    "/etc/ssl/certs/ca-bundle.crt"
    "/etc/ssl/certs/ca-certificates.crt"
    "/etc/pki/tls/certs/ca-bundle.crt"
  ];
}
