/**
  A check that starts an image and runs a script beside it, in Nix's sandbox: without a virtual machine, a daemon and root.
  It needs user namespaces in the sandbox, which most systems allow. The result is an empty file.

  The attribute `podman` is a program that does the same with podman, for images that need more than a sandbox has:
  several users, setuid programs, capabilities. podman and skopeo are looked up on `PATH`.

  The script is run by `busybox sh -eu`. It shares the network with the container, and can call these functions:

  - `start [ARGUMENT…]` starts the image. Arguments replace its `Cmd` for this start. The file `log` gets the output. A
    further start keeps the files of the container; with podman, a start with other arguments makes a new container, which
    lacks what is in volumes.
  - `eventually COMMAND…` repeats a command until it succeeds, for at most a minute. It fails if the container ends.
  - `stop` sends the image's stop signal, and returns the exit code of the container.
  - `finish` waits until the container ends by itself, and returns its exit code.

  The folder `$root` has the files of the image, which the container changes.

  In the sandbox, one user is mapped into the container. All files belong to it, and a program cannot become another user.

  # Arguments

  - [image] The image: a layout, or `{ layout; tag; }`.
  - [script] The script. The test succeeds if the script does.
  - [user] The number of the user in the container. `null` is the user of the image, or 1000 if the image starts services
    as several users, which then all run as this one. Default: `null`.
  - [packages] Packages whose programs the script calls, beside those of busybox. Default: `[ ]`.
  - [name] The name of the derivation. Default: `"oci-test"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociTestImage {
    image = ociMakeImage {
      modules = [ { image.name = "hello"; image.entrypoint = [ "${hello}/bin/hello" ]; } ];
    };
    script = ''
      start
      finish
      grep hello log
    '';
  }
  ```
*/
{
  baseAttributes,
  builder,
  ociFiles,
  pkgs,
  platformOf,
  step,
}:
{
  image,
  script,
  user ? null,
  packages ? [ ],
  name ? "oci-test",
  passthru ? { },
}:
let
  binOf = package: "${package.bin or package}/bin";
  startsServices = image.init or null != null;
  shell = [
    "${binOf pkgs.busybox}/busybox"
    "sh"
  ];
  unshare = "${binOf pkgs.util-linux}/unshare";
  path = builtins.concatStringsSep ":" (map binOf (packages ++ [ pkgs.busybox ]));
  attributes = baseAttributes image;
  # `set` comes first: a test ends with the first command that fails.
  scriptWith =
    file:
    builtins.concatStringsSep "\n" [
      "set -eu"
      (builtins.readFile ./ociTestImage/functions.sh)
      (builtins.readFile file)
      script
    ];

  inherit (attributes) base;
  podman = ociFiles {
    inherit name;
    files = [
      {
        destination = "/bin/${name}";
        executable = true;
        text = ''
          #!${builtins.concatStringsSep " " shell}
          path=${path}
          unshare=${unshare}
          podman_options="${if user == null then "" else "--user=${toString user}"}"
          copy() {
            ${builder}/bin/oci-layout copy --to containers-storage --recipe-root ${builtins.storeDir} \
              ${base.layout}${if base.tag == null then "" else ":${base.tag}"} "$1" -- --quiet >/dev/null
          }
          ${scriptWith ./ociTestImage/podman.sh}
        '';
      }
    ];
    passthru.meta.mainProgram = name;
  };
in
step "test-image" (
  {
    inherit
      name
      path
      shell
      unshare
      ;
    script = scriptWith ./ociTestImage/sandbox.sh;
    passthru = {
      inherit podman;
    }
    // passthru;
    platform = platformOf { };
    user = if user == null && startsServices then 1000 else user;
  }
  // attributes
)
