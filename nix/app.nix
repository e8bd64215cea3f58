# A package with a program that runs oci-layout with these arguments and those that the user adds: a script of the
# program itself, for which nothing else is needed. `nix run` finds it.
{ builder, ociFiles, ... }:
name: arguments:
ociFiles {
  inherit name;
  files = [ {
    destination = "/bin/${name}";
    text = "#!${builder}/bin/oci-layout\n${builtins.toJSON arguments}\n";
    executable = true;
  } ];
  passthru.meta.mainProgram = name;
}
