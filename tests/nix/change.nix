# A large package and one line, lazy, to measure the cost of changing the line.
{
  ociBuildImage,
  ociFiles,
  package,
  changing,
  ...
}:
let
  # Incompressible, so that sending it sends every byte.
  large = package "large" "mkdir $out; head -c 32000000 /dev/urandom > $out/bytes";
in
{
  # The store without an image: the package, and the program.
  before = ociFiles {
    files = [
      {
        destination = "/";
        text = "${large}";
      }
    ];
  };

  image = ociBuildImage {
    name = "change";
    tag = "1.0";
    lazy = true;
    config.Env = [ "LARGE=${large}" ];
    files = [
      {
        text = changing;
        destination = "/line";
      }
    ];
  };
}
