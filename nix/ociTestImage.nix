/**
  A check that starts an image and runs a script beside it, in Nix's sandbox: without a virtual machine, a daemon and root.
  It needs user namespaces in the sandbox, which most systems allow. The result is an empty file.

  The script is run by `busybox sh -eu`. It shares the network with the container, and can call these functions:

  - `start [ARGUMENT…]` starts the image. Arguments replace its `Cmd`. The file `log` gets the output.
  - `eventually COMMAND…` repeats a command until it succeeds, for at most a minute. It fails if the container ends.
  - `stop` sends the image's stop signal, and returns the exit code of the container.
  - `finish` waits until the container ends by itself, and returns its exit code.

  The folder `$root` has the files of the image, which the container changes.

  One user is mapped into the container. All files belong to it, and a program cannot become another user.

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
in
step "test-image" (
  {
    inherit
      name
      passthru
      script
      ;
    platform = platformOf { };
    user = if user == null && startsServices then 1000 else user;
    shell = [
      "${binOf pkgs.busybox}/busybox"
      "sh"
    ];
    unshare = "${binOf pkgs.util-linux}/unshare";
    path = builtins.concatStringsSep ":" (map binOf (packages ++ [ pkgs.busybox ]));
  }
  // baseAttributes image
)
