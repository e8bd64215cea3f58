import ../../../nix/units.nix {
  shell = [ "sh" ];
  homeOf = name: "/home/${name}";
  toFile = name: text: "/store/${name}: ${text}";
}
