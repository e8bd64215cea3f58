{ buildOciImage, greet, ... }:
buildOciImage {
  name = "greet";
  tag = "2";
  copyToRoot = [ greet ];
  config.Cmd = [ "/bin/greet" ];
}
