# The small packages that users of dockerTools know, with stand-ins for what they take of nixpkgs.
{
  functionsWith,
  package,
  busybox,
  ...
}:
let
  oci = functionsWith {
    pkgs = {
      bashInteractive = package "bash-interactive" "mkdir -p $out/bin; ln -s ${busybox}/bin/busybox $out/bin/bash";
      coreutils = package "coreutils" "mkdir -p $out/bin; ln -s ${busybox}/bin/busybox $out/bin/env";
      cacert = package "cacert" "mkdir -p $out/etc/ssl/certs; echo certificates > $out/etc/ssl/certs/ca-bundle.crt";
    };
  };
in
oci.ociBuildImage {
  name = "helpers";
  tag = "latest";
  copyToRoot = [
    oci.binSh
    oci.usrBinEnv
    oci.caCertificates
    (oci.fakeNss {
      extraPasswdLines = [ "app:x:1000:1001::/:/bin/sh" ];
      extraGroupLines = [ "app:x:1001:" ];
    })
  ];
  config = {
    Entrypoint = [
      "/bin/sh"
      "-c"
    ];
    Cmd = [ "/usr/bin/env sh -c 'whoami; id -g; cat /etc/ssl/certs/ca-bundle.crt'" ];
    User = "app";
  };
}
