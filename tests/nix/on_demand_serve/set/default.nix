# The package set of the tests of `serve --packages`: programs that run, and share a shell and a
# library.
#
# The tests put the folder `programs` with `busybox`, and the file `number`, beside this file.
{
  system,
  config ? { },
  overlays ? [ ],
}:
let
  # The program decides by its name what to do.
  programs = builtins.path {
    name = "programs";
    path = ./programs;
  };
  # A number that no other test has, by which processes are found.
  number = builtins.readFile ./number;

  derive =
    name: script:
    derivation {
      inherit name system;
      builder = "${programs}/busybox";
      args = [
        "sh"
        "-ec"
        ''
          ${programs}/busybox mkdir -p $out/bin
          cd $out/bin
          put() { ${programs}/busybox cat > $1; ${programs}/busybox chmod +x $1; }
          ${script}
        ''
      ];
    };

  # Programs by links, as in nixpkgs.
  links =
    name: names:
    derive name ''
      ${programs}/busybox cp ${programs}/busybox busybox
      for name in ${names}; do ${programs}/busybox ln -s busybox $name; done
    '';

  # What two packages need.
  library = derive "library-2" "echo 'greet() { echo hello from $1; }' > greet";

  # A script that needs the library and a shell.
  script =
    name: text:
    derive name ''
      put ${(builtins.parseDrvName name).name} <<END
      #!${coreutils}/bin/busybox sh
      . ${library}/bin/greet
      ${text}
      END
    '';
  coreutils = links "coreutils-9.1" "cat env id ls pwd sh stat touch";
in
{
  inherit coreutils library;
  bashInteractive = derive "bash-interactive-5.2" ''
    put bash <<END
    #!${coreutils}/bin/busybox sh
    exec ${coreutils}/bin/busybox sh "\$@"
    END
  '';
  hello = script "hello-2.12" "greet hello";
  one = script "one-1.0" "greet one";
  two = script "two-2.0" "greet two";
  changing = script "changing-1" "echo $(${programs}/busybox date +%s) $(${programs}/busybox cat /proc/sys/kernel/random/uuid)";
  unfree = throw "two-headed has an unfree licence";
  failing = derive "failing-1" "echo the compiler is missing; exit 7";
  sleeping = derive "sleeping-1" "${programs}/busybox sleep ${number}";
}
