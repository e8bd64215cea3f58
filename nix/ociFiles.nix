/**
  Builds a package of texts, symbolic links and empty directories, for `copyToRoot` or for any other use of a store path.

  # Arguments

  - [files] A list of `{ destination; text; }`, `{ destination; symlink; }` and `{ destination; directory = true; }`. A text
    may have `executable = true`. A file with the destination `/` is the output itself.
  - [name] The name of the derivation. Default: `"oci-files"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociFiles { files = [ { destination = "/etc/hostname"; text = "box\n"; } ]; }
  ```
*/
{ step }:
{
  name ? "oci-files",
  files,
  passthru ? { },
}:
step "files" {
  inherit name files passthru;
  preferLocalBuild = true;
  allowSubstitutes = false;
}
