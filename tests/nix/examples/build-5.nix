{ ociBuildImage, chain, links, ... }:
ociBuildImage {
  name = "registry.example/chain";
  copyToRoot = [ links ];
  config.Cmd = [ "/bin/other" "${chain}/before" ];
  maxLayers = 5;
}
