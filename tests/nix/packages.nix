# Packages built without nixpkgs, by a static busybox. Programs that run in an image are static too.
{
  busybox,
  say,
  util-linux,
}:
let
  package =
    name: script:
    derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "${busybox}/bin/busybox";
      args = [
        "sh"
        "-euc"
        script
      ];
    };
  program = name: package name "mkdir -p $out/bin; cp ${say}/bin/say $out/bin/${name}";
in
rec {
  inherit busybox package say;

  # A program of this machine, with its libraries.
  unshare = package "util-linux" ''
    mkdir -p $out/bin
    printf '#!%s sh\nexec %s/lib/ld-linux-x86-64.so.2 --library-path %s/lib %s/lib/unshare "$@"\n' \
      ${busybox}/bin/busybox ${util-linux} ${util-linux} ${util-linux} > $out/bin/unshare
    chmod +x $out/bin/unshare
  '';

  nginx = program "nginx";
  bash = package "bash" "cp ${say}/bin/say $out";
  jq = package "jq" "cp ${say}/bin/say $out";

  # Three packages with references: greet → words → letters. The build dependencies of greet are not in the closure.
  letters = package "letters" "mkdir $out; echo abc > $out/letters";
  words = package "words" "mkdir -p $out/share; ln -s ${letters}/letters $out/share/letters; echo hello > $out/share/word";
  greet = package "greet" ''
    mkdir -p $out/bin
    printf '#!%s sh\ncat %s\n' ${busybox}/bin/busybox ${words}/share/word > $out/bin/greet
    chmod +x $out/bin/greet
  '';

  # Links of every kind: into the package, absolute and relative; to another package; to a missing path.
  links = package "links" ''
    mkdir -p $out/bin $out/etc
    echo linked > $out/etc/here
    ln -s here $out/etc/relative
    ln -s ${greet}/bin/greet $out/bin/other
    ln -s /nowhere $out/etc/dangling
  '';
  ownPath = package "own-path" "mkdir -p $out/etc; echo me > $out/etc/target; ln -s $out/etc/target $out/etc/own";

  # Two packages that conflict at the root, except for their common directories.
  left = package "left" "mkdir -p $out/etc; echo left > $out/etc/motd; echo left > $out/etc/left";
  right = package "right" "mkdir -p $out/etc; echo right > $out/etc/motd; echo right > $out/etc/right";

  odd = package "odd" ''
    mkdir -p "$out/with space" $out/-dash
    echo 1 > "$out/with space/quote\"s and 'such'"
    echo 2 > "$out/back\slash \$HOME \''${x} %s"
    echo 3 > $out/-dash/-rf
    printf 4 > "$out/$(printf 'new\nline')"
    echo 5 > $out/grün-日本語
    echo 6 > $out/*
  '';

  # Many store paths of more than a megabyte, each of which refers to the previous one. The last one is listed first, so
  # it is the package's default output. They are outputs of one derivation, because separate builds would take longer.
  chain = derivation {
    name = "chain";
    system = builtins.currentSystem;
    builder = "${busybox}/bin/busybox";
    outputs = map (number: "link${toString (50 - number)}") (builtins.genList (number: number) 50);
    args = [
      "sh"
      "-euc"
      ''
        before=${letters}
        for number in $(seq 50); do
          eval "link=\$link$number"
          mkdir $link
          echo $before > $link/before
          head -c 1200000 /dev/zero > $link/bytes
          before=$link
        done
      ''
    ];
  };
}
