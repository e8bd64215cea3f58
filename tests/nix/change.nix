# A large package and one line, lazy: what a change of the line costs.
{
  ociBuildImage,
  ociFiles,
  package,
  changing,
  ...
}:
let
  # Nothing that compresses, so that who sends it sends all of it.
  large = package "large" "mkdir $out; head -c 32000000 /dev/urandom > $out/bytes";
in
{
  # What there is without any image: the package, and the program.
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
