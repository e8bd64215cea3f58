# A package with a program for `nix run`: `oci-layout` with these arguments, followed by those of the user. The program is
# a script that `oci-layout` interprets itself, so it needs no shell.
{ builder, ociFiles }:
name: arguments:
ociFiles {
  inherit name;
  files = [
    {
      destination = "/bin/${name}";
      text = "#!${builder}/bin/oci-layout\n${builtins.toJSON arguments}\n";
      executable = true;
    }
  ];
  passthru.meta.mainProgram = name;
}
