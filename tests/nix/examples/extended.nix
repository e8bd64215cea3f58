# Variables of a base image, extended and removed, and a closure above it in the layers that are left.
{
  ociBuildImage,
  chain,
  links,
  ...
}:
let
  below = ociBuildImage {
    name = "below";
    tag = "1";
    copyToRoot = [ links ];
    config.Env = [
      "PATH=/bin"
      "OLD=1"
      "KEPT=1"
    ];
    config.OnBuild = [ "RUN true" ];
  };
in
ociBuildImage {
  name = "extended";
  tag = "1";
  fromImage = below;
  # The base has some of these.
  maxLayers = 4;
  unsetEnv = [ "OLD" ];
  config.Env = [
    "PATH=${chain}/bin:$PATH"
    "PRICE=5$$"
  ];
  passthru = { inherit below; };
}
