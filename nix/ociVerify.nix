{ step, ... }:
/**
  A check of a layout: it builds, to an empty file, if `oci-layout verify` finds no error, and fails with all that it
  finds otherwise. Warnings are in the log of the build.

  - `layout`: a layout of any maker, as a folder, an oci-archive or a docker-archive.
  - `deep`: whether the layers of a sparse layout are made and checked too.
  - `strict`: whether warnings are errors.
  - `name`, `passthru`: of the derivation.

  ```nix
  ociVerify { layout = ./alpine; }
  ```
*/
{ name ? "oci-verified", layout, deep ? false, strict ? false, passthru ? { } }:
step "verify" {
  inherit name deep strict passthru;
  layout = "${layout}";
  preferLocalBuild = true;
  allowSubstitutes = false;
}
