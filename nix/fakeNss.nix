{ ociFiles, ... }:
let
  /**
    `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf` with root and nobody, for programs that look up who they are,
    and `/var/empty`, their home. It is a package; called, it is one with more lines.

    - `extraPasswdLines`, `extraGroupLines`: lines of those files.

    ```nix
    fakeNss { extraPasswdLines = [ "app:x:1000:1000::/:/bin/sh" ]; extraGroupLines = [ "app:x:1000:" ]; }
    ```
  */
  fakeNss = { extraPasswdLines ? [ ], extraGroupLines ? [ ] }:
    let
      lines = list: builtins.concatStringsSep "" (map (line: "${line}\n") list);
    in
    ociFiles {
      name = "fake-nss";
      files = [
        {
          destination = "/etc/passwd";
          text = lines ([
            "root:x:0:0:root:/var/empty:/bin/sh"
            "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
          ] ++ extraPasswdLines);
        }
        {
          destination = "/etc/group";
          text = lines ([ "root:x:0:" "nobody:x:65534:" ] ++ extraGroupLines);
        }
        { destination = "/etc/nsswitch.conf"; text = "hosts: files dns\n"; }
        { destination = "/var/empty"; directory = true; }
      ];
    };
in
fakeNss { } // { __functor = _: fakeNss; }
