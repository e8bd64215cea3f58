# A package with Nix, for images, from a root file system that has Nix and its libraries.
{
  packages,
  nix,
}:
let
  root = builtins.path {
    name = "root";
    path = nix;
  };
in
# Its programs decide by their name what to do, and find its libraries beside themselves.
packages.package "nix" ''
  mkdir -p $out/bin $out/libexec
  cp -r ${root}/usr/lib/*-linux-gnu $out/lib
  cp ${root}/usr/bin/nix $out/libexec/nix
  for name in nix nix-build nix-instantiate nix-store nix-collect-garbage; do
    printf '#!%s sh\nexec %s --argv0 %s --library-path %s %s --option build-hook "" "$@"\n' \
      ${packages.busybox}/bin/busybox $out/lib/ld-linux-*.so.* $name $out/lib $out/libexec/nix > $out/bin/$name
    chmod +x $out/bin/$name
  done
''
