{ step, ... }:
/**
  A package of texts, symbolic links and empty directories, for `copyToRoot` or wherever a store path is wanted.

  - `files`: a list of `{ destination; text; }`, `{ destination; symlink; }` and `{ destination; directory = true; }`. A
    text may have `executable = true`. With the destination `/`, the output is that file itself.
  - `name`, `passthru`: of the derivation.

  ```nix
  ociFiles { files = [ { destination = "/etc/hostname"; text = "box\n"; } ]; }
  ```
*/
{ name ? "oci-files", files, passthru ? { } }:
step "files" {
  inherit name files passthru;
  preferLocalBuild = true;
  allowSubstitutes = false;
}
