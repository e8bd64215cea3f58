{ step, ... }:
/**
  A check of a layout: it builds, to an empty file, if `oci-layout verify` finds no defect, and fails with all that it
  finds otherwise.

  - `layout`: a layout of any maker, as a folder or an oci-archive.
  - `deep`: whether the layers of a sparse layout are made and checked too.
  - `name`, `passthru`: of the derivation.

  ```nix
  ociVerify { layout = ./alpine; }
  ```
*/
{ name ? "oci-verified", layout, deep ? false, passthru ? { } }:
step "verify" {
  inherit name deep passthru;
  layout = "${layout}";
  preferLocalBuild = true;
  allowSubstitutes = false;
}
