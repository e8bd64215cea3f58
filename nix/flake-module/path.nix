# The `PATH` of a container.
{ lib }:
{ package, dependencies, ... }:
lib.concatStringsSep ":" (
  map (package: "${lib.getBin package}/bin") (lib.remove null [ package ] ++ dependencies)
  ++ [ "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
)
