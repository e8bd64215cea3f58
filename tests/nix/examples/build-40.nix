{
  ociBuildImage,
  chain,
  links,
  ...
}:
ociBuildImage {
  name = "chain";
  tag = "1.0";
  copyToRoot = [ links ];
  config.Cmd = [
    "/bin/other"
    "${chain}/before"
  ];
  maxLayers = 40;
}
