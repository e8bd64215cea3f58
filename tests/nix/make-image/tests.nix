# Tests of images in the sandbox: `good` ones succeed, and each of `bad` fails with the sentence.
{
  images,
  named,
  oci,
  pkgs,
  withDebian,
  ...
}@scope:
let
  test = image: script: oci.ociTestImage { inherit image script; };
  sh =
    script:
    named {
      image.entrypoint = [
        "${pkgs.busybox}/bin/busybox"
        "sh"
        "-c"
        script
      ];
    };
  server = named {
    image.isRoot = true;
    s6.services.web.command = [
      "${pkgs.busybox}/bin/busybox"
      "sh"
      "-c"
      "trap 'exit 3' TERM; ${pkgs.busybox}/bin/busybox httpd -p 80 -h /srv; while :; do ${pkgs.busybox}/bin/busybox sleep 0.1; done"
    ];
    files = [
      {
        destination = "/srv/index.html";
        text = "a page\n";
      }
    ];
  };
  # Each start has its own arguments, or those of the image, and the files as they were.
  withCmd = oci.ociBuildImage {
    name = "box";
    config.Entrypoint = [
      "${pkgs.busybox}/bin/busybox"
      "sh"
      "-c"
      "printf '%s\\n' \"$*\"; echo $# >> /srv/starts; exit 3"
      "box"
    ];
    config.Cmd = [
      "of the"
      "image"
    ];
    files = [
      {
        destination = "/srv";
        directory = true;
      }
    ];
  };
  arguments = ''
    says() {
      code=0
      finish || code=$?
      test "$code" = 3
      test "$(cat log)" = "$1"
    }
    start
    says "of the image"
    start "a  b"
    says "a  b"
    start
    says "of the image"
    start
    says "of the image"
    start a b c
    says "a b c"
    test "$(cat "$root/srv/starts" | tr '\n' ' ')" = "2 1 2 2 3 "
  '';
  failing = script: sentence: {
    inherit sentence;
    test = test server script;
  };
in
rec {
  sentences = builtins.mapAttrs (_: test: test.sentence) bad;
  good = import ./acceptance.nix scope // {
    # A port answers, and a signal ends the program.
    port = test server ''
      start
      eventually wget -q -O page http://127.0.0.1:80/
      test "$(cat page)" = "a page"
      code=0
      stop || code=$?
      test "$code" = 3
    '';

    # Arguments, the exit code, and a file.
    program = test (sh "echo $0 $1; id -u; echo x > /tmp/it; exit 5") ''
      code=0
      start a b
      finish || code=$?
      test "$code" = 5
      test "$(cat "$root/tmp/it")" = x
      test "$(cat log)" = "a b
      65532"
    '';

    arguments = test withCmd arguments;

    # Nothing of the builder is in the container.
    clean = test (sh "env | ${pkgs.busybox}/bin/grep -v '^PATH=\\|^PWD=\\|^SHLVL=' || echo none; echo $$; ls /build 2>&1") ''
      start
      finish || true
      head -n 2 log > two
      printf 'none\n1\n' | cmp - two
    '';

    # All services, with the user of the test.
    services = oci.ociTestImage {
      image = images.services;
      script = ''
        start
        code=0
        finish || code=$?
        test "$code" = 7
        grep -q 'migrate' log
        test "$(tail -n 1 log)" = "db stops"
      '';
    };
  };

  # What the sandbox cannot do: several users, and setuid.
  podman =
    let
      image = named {
        imports = [ withDebian ];
        users.users = {
          web = { };
          db = { };
        };
        files = [
          {
            destination = "/srv/as-root";
            source = "${pkgs.busybox}/bin/busybox";
            mode = "4755";
          }
        ];
        s6.services = {
          db = {
            type = "oneshot-pre";
            user = "db";
            directories = [ "/var/lib/db" ];
            path = [ pkgs.busybox ];
            script = "id -un; echo data > /var/lib/db/data";
          };
          web = {
            user = "web";
            script = "id -un; trap 'exit 0' TERM; httpd -p 80 -h /srv; while :; do sleep 0.1; done";
            path = [ pkgs.busybox ];
          };
        };
      };
    in
    oci.ociTestImage {
      inherit image;
      script = ''
        test "$(stat -c %u:%a "$root/srv/as-root")" = 0:4755
        test ! -e "$root/var/lib/db/data"
        echo "a page" > "$root/srv/index.html"
        start
        eventually wget -q -O page http://127.0.0.1:80/
        test "$(cat page)" = "a page"
        test "$(stat -c %u "$root/var/lib/db/data")" = ${toString (image.config.users.ids.uidOf "users" "db")}
        stop
        grep -x db log
        grep -x web log
      '';
    };
  # Fails after everything in `arguments`.
  podmanFails = test withCmd "${arguments}\nstart its output; finish";

  bad = {
    fails = failing "start; false" "the test failed";
    ends = {
      sentence = "the container ended before this succeeded: false";
      test = test (sh "exit 3") "start; eventually false";
    };
  };
}
