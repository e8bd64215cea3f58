# The attributes of a step that has a base image: `null`, a layout, or `{ layout; tag; }`. A layout that others made is
# checked once, by a derivation of its own.
{ ociVerify, storePath, ... }:
base:
let
  baseImage = { layout, tag ? null }: { inherit layout tag; };
  parts = if builtins.isAttrs base && !(base ? outPath) then baseImage base else baseImage { layout = base; };
  layout = builtins.seq (storePath parts.layout) "${parts.layout}";
  isOurs = builtins.isAttrs parts.layout && parts.layout ? manifests;
in
if base == null then { }
else {
  base = { inherit layout; inherit (parts) tag; };
  ${if isOurs then null else "checked"} = ociVerify { name = "oci-base-checked"; inherit layout; };
}
