{ step, ... }:
/**
  A package of texts and symbolic links, for `copyToRoot` or wherever a store path is wanted.

  - `files`: a list of `{ destination; text; }` and `{ destination; symlink; }`. With the destination `/`, the output is
    that file itself.
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
