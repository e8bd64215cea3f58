# The package set of `benches/on-demand/run`: eight small packages, and `tree`, the folder of this name beside this file.
{
  system,
  config ? { },
  overlays ? [ ],
}:
let
  programs = builtins.path {
    name = "programs";
    path = ./programs;
  };

  derive =
    name: script:
    derivation {
      inherit name system;
      builder = "${programs}/busybox";
      args = [
        "sh"
        "-ec"
        script
      ];
    };

  small = name: derive "${name}-1" "${programs}/busybox mkdir $out; echo ${name} > $out/${name}";
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = small name;
  }) (builtins.genList (number: "p${toString number}") 8)
)
// {
  tree = derive "tree-1" "${programs}/busybox cp -a ${./tree} $out";
}
