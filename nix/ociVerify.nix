/**
  Checks a layout. The build succeeds with an empty file if `oci-layout verify` finds no error, and otherwise fails with
  all errors. The build log contains the warnings.

  # Arguments

  - [layout] A layout from any tool: a folder, an oci-archive or a docker-archive.
  - [deep] Whether to build and check the layers of a sparse layout too. Default: `false`.
  - [strict] Whether warnings are errors. Default: `false`.
  - [name] The name of the derivation. Default: `"oci-verified"`.
  - [passthru] Additional attributes of the result. Default: `{ }`.

  # Examples

  ```nix
  ociVerify { layout = ./alpine; }
  ```
*/
{ step }:
{
  name ? "oci-verified",
  layout,
  deep ? false,
  strict ? false,
  passthru ? { },
}:
step "verify" {
  inherit
    name
    deep
    strict
    passthru
    ;
  layout = "${layout}";
  preferLocalBuild = true;
  allowSubstitutes = false;
}
