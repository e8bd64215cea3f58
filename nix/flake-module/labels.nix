# The labels that the attributes of a container's package give, under the names of the specification's annotations.
{ lib }:
{ name, package, ... }:
let
  meta = package.meta or { };
  licenses = lib.toList (meta.license or [ ]);
  homepages = lib.toList (meta.homepage or [ ]);
in
lib.mapAttrs' (key: lib.nameValuePair "org.opencontainers.image.${key}") (
  lib.filterAttrs (_: value: value != null) {
    title = name;
    version = package.version or null;
    description = meta.description or null;
    url = if homepages == [ ] then null else builtins.head homepages;
    # A list of licences does not say whether all of them apply or one of them.
    licenses = if builtins.length licenses == 1 then (builtins.head licenses).spdxId or null else null;
  }
)
