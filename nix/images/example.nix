# Services of `s6.services`: one before the server, the server, and one that runs when the server is ready.
{ pkgs, ... }:
let
  wget = "${pkgs.busybox}/bin/wget";
  address = "http://127.0.0.1:8080/";
in
{
  image.name = "example";
  image.ports = [ 8080 ];
  s6.services = {
    before = {
      type = "oneshot-pre";
      script = "echo before the server";
    };
    web = {
      command = [
        "${pkgs.busybox}/bin/httpd"
        "-f"
        "-p"
        "8080"
        "-h"
        "${pkgs.writeTextDir "index.html" "the page\n"}"
      ];
      restartOnFailure = true;
      readiness.command = [
        wget
        "-q"
        "-O"
        "/dev/null"
        address
      ];
    };
    after = {
      type = "oneshot-post";
      command = [
        wget
        "-q"
        "-O"
        "-"
        address
      ];
    };
  };
}
