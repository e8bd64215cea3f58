/**
  A package with the certificates of nixpkgs at the paths where programs look for them: `/etc/ssl/certs/ca-bundle.crt`,
  `/etc/ssl/certs/ca-certificates.crt` and `/etc/pki/tls/certs/ca-bundle.crt`.
*/
{ ociFiles, pkgs }:
if pkgs == null then
  throw "oci-layout: caCertificates requires nixpkgs; pass pkgs, or make the links with ociFiles"
else
  ociFiles {
    name = "ca-certificates";
    files =
      map
        (destination: {
          inherit destination;
          symlink = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
        })
        [
          "/etc/ssl/certs/ca-bundle.crt"
          "/etc/ssl/certs/ca-certificates.crt"
          "/etc/pki/tls/certs/ca-bundle.crt"
        ];
  }
