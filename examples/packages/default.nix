# A package set without nixpkgs, for `oci-layout serve --packages path:examples/packages`.
#
# Put a static busybox beside this file: nothing is downloaded then.
{
  system,
  config ? { },
  overlays ? [ ],
}:
let
  # The program decides by its file name what to do.
  programs =
    if builtins.pathExists ./busybox then
      builtins.path {
        name = "programs";
        path = ./.;
        filter = path: _: baseNameOf path == "busybox";
      }
    else
      throw "examples/packages has no file busybox: copy a static busybox into that folder";

  busybox = derivation {
    name = "busybox-1";
    inherit system;
    builder = "${programs}/busybox";
    args = [
      "sh"
      "-ec"
      ''
        b=${programs}/busybox
        $b mkdir -p $out/bin
        $b cp $b $out/bin/busybox
        for name in cat env echo id ls ps sh; do $b ln -s busybox $out/bin/$name; done
      ''
    ];
  };

  # A script that the shell of busybox runs.
  script =
    name: text:
    derivation {
      name = "${name}-1.0";
      inherit system text;
      builder = "${busybox}/bin/busybox";
      args = [
        "sh"
        "-ec"
        ''
          b=${busybox}/bin/busybox
          $b mkdir -p $out/bin
          $b printf '#!%s sh\n%s\n' $b "$text" > $out/bin/${name}
          $b chmod +x $out/bin/${name}
        ''
      ];
    };
in
{
  inherit busybox;
  hello = script "hello" "echo 'Hello, world!'";
  greet = script "greet" "echo \"Hello, \${1:-you}!\"";
}
