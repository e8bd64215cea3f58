import ../../../nix/units.nix {
  shell = [ "sh" ];
  s6Version = "2.14.0.1";
  homeOf = name: "/home/${name}";
  toFile = name: text: "/store/${name}: ${text}";
}
