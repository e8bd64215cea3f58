# Two kinds of contents: dependencies that the caller names as layers of their own, and an application that changes.
{
  ociBuildImage,
  ociLayerTar,
  fakeNss,
  words,
  busybox,
  changing,
  ...
}:
let
  shell = ociLayerTar {
    name = "layer-shell";
    closure = [ busybox ];
  };
  words' = ociLayerTar {
    name = "layer-words";
    closure = [ words ];
  };
in
ociBuildImage {
  name = "layered";
  tag = "latest";
  layers = [
    shell
    words'
  ];
  copyToRoot = [
    (fakeNss {
      extraPasswdLines = [ "app:x:1000:1000::/:/bin/sh" ];
      extraGroupLines = [ "app:x:1000:" ];
    })
  ];
  files = [
    {
      text = changing;
      destination = "/app";
    }
  ];
  config = {
    Entrypoint = [
      "${busybox}/bin/busybox"
      "cat"
    ];
    Cmd = [
      "/app"
      "${words}/share/word"
    ];
    User = "app";
  };
}
