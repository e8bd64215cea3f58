# The services of `example.nix`, as units of systemd.
{ pkgs, ... }:
let
  wget = "${pkgs.busybox}/bin/wget";
  address = "http://127.0.0.1:8080/";
in
{
  image.name = "example-systemd";
  image.ports = [ 8080 ];
  systemd.services = {
    before = {
      before = [ "web.service" ];
      script = "echo before the server";
      serviceConfig.Type = "oneshot";
    };
    web = {
      # The unit is up when the page is there.
      postStart = "until wget -q -O /dev/null ${address}; do sleep 0.1; done";
      serviceConfig = {
        ExecStart = "${pkgs.busybox}/bin/httpd -f -p 8080 -h ${pkgs.writeTextDir "index.html" "the page\n"}";
        Restart = "on-failure";
        DynamicUser = true;
      };
    };
    after = {
      after = [ "web.service" ];
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${wget} -q -O - ${address}";
      };
    };
  };
}
