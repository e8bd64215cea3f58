/**
  A package with `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf`, for programs that look up users, and with the empty
  home directory `/var/empty`. The users are `root` and `nobody`. A call, or `fakeNss.override`, adds more.

  # Arguments

  - [extraPasswdLines] A list of further lines of `/etc/passwd`. Default: `[ ]`.
  - [extraGroupLines] A list of further lines of `/etc/group`. Default: `[ ]`.

  # Examples

  ```nix
  fakeNss { extraPasswdLines = [ "app:x:1000:1000::/:/bin/sh" ]; extraGroupLines = [ "app:x:1000:" ]; }
  ```
*/
{
  ociFiles,
  extraPasswdLines ? [ ],
  extraGroupLines ? [ ],
}:
let
  lines = list: builtins.concatStringsSep "" (map (line: "${line}\n") list);
in
ociFiles {
  name = "fake-nss";
  files = [
    {
      destination = "/etc/passwd";
      text = lines (
        [
          "root:x:0:0:root:/var/empty:/bin/sh"
          "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
        ]
        ++ extraPasswdLines
      );
    }
    {
      destination = "/etc/group";
      text = lines (
        [
          "root:x:0:"
          "nobody:x:65534:"
        ]
        ++ extraGroupLines
      );
    }
    {
      destination = "/etc/nsswitch.conf";
      text = "hosts: files dns\n";
    }
    {
      destination = "/var/empty";
      directory = true;
    }
  ];
}
