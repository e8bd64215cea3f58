{
  ociBuildImage,
  chain,
  links,
  ...
}:
ociBuildImage {
  name = "registry.example/chain";
  copyToRoot = [ links ];
  config.Cmd = [
    "/bin/other"
    { __toString = _: "${chain}/before"; }
  ];
  maxLayers = 5;
}
