# The package set of the tests of images on demand: what can go well and wrong, without nixpkgs.
#
# The tests put the folder `programs` with `busybox`, and the file `number`, beside this file.
{
  system,
  config ? { },
  overlays ? [ ],
}:
let
  # The program decides by its name what to do.
  busybox = "${
    builtins.path {
      name = "programs";
      path = ./programs;
    }
  }/busybox";
  # A number that no other test has, by which processes are found.
  number = builtins.readFile ./number;

  derive =
    script: attributes:
    derivation (
      {
        inherit system;
        builder = "${busybox}";
        args = [
          "sh"
          "-ec"
          ''
            ${script}
          ''
        ];
      }
      // attributes
    );
  # The name of the package, and a link to what it needs.
  package =
    name: more:
    derive "${busybox} mkdir -p $out/bin; echo ${name} > $out/bin/${name}" ({ inherit name; } // more);

  hello = package "hello-1.2" { } // {
    pname = "hello";
    version = "1.2";
    meta.mainProgram = "hi";
    override = _: hello;
    tests.one = hello;
  };
  endless = list: endless (list ++ list);
in
{
  inherit hello;
  library = package "library-2" { };
  program =
    derive
      ''
        ${busybox} mkdir -p $out/bin $dev
        echo ${package "library-2" { }} $out > $out/bin/program
        echo dev > $dev/file
      ''
      {
        name = "program-3";
        outputs = [
          "out"
          "dev"
        ];
      };

  perlPackages.DBI = package "perl-DBI-1.6" { };
  nested.deep.er = package "deeper-1" { };
  _7zz = package "7zz-24" { };
  camelCase = package "camel-1" { };
  Twice = package "twice-1" { };
  tWice = package "twice-2" { };
  exact = package "exact-1" { };
  EXACT = package "exact-2" { };
  pkgs = {
    inherit hello;
  };
  plus."gtk+3" = package "gtk-3" { };

  function = argument: argument;
  functor = {
    __functor = _: argument: argument;
  };
  text = "not a package";
  elsewhere = package "elsewhere-1" { } // {
    system = "mips-linux";
  };

  unfree = throw "unfree licence, says /etc/licences/list";
  unfreeInside = package "unfree-1" { } // {
    drvPath = throw "not for you";
  };
  aborting = abort "given up";
  missing = hello.nothing;
  recursive =
    let
      loop = loop;
    in
    loop;
  endlessEvaluation =
    let
      count = number: if number < 0 then number else count (builtins.bitAnd (number + 1) 1023);
      times =
        number:
        if number == 0 then 0 else builtins.seq (builtins.genList (x: x * x) 1000) (times (number - 1));
    in
    builtins.seq (builtins.foldl' (_: times) 0 (builtins.genList (_: 100) 1000000000)) hello;
  # Three megabytes of messages.
  loudEvaluation = builtins.foldl' (
    value: number: builtins.trace "message ${toString number} in /etc/somewhere" value
  ) hello (builtins.genList (number: number) 60000);
  loudThrow = builtins.foldl' (
    value: number: builtins.trace "message ${toString number} in /etc/somewhere" value
  ) (throw "after all") (builtins.genList (number: number) 60000);
  endlessMemory = builtins.seq (builtins.foldl' (list: _: list ++ list) [ 1 ] (
    builtins.genList (x: x) 60
  )) hello;
  readsFile = builtins.seq (builtins.readFile /etc/passwd) hello;
  fetches = builtins.seq (builtins.readFile (builtins.fetchurl "file:///etc/passwd")) hello;
  imports = import (derive "echo '{ }' > $out" { name = "imported"; }) // hello;

  failing = derive "echo the reason is in /etc/reason; exit 7" { name = "failing-1"; };
  needsFailing = derive "echo ${derive "echo deep down; exit 8" { name = "deep-1"; }} > $out" {
    name = "needs-1";
  };
  local = derive "echo built > $out" {
    name = "local-1";
    preferLocalBuild = true;
    allowSubstitutes = false;
  };
  loud = derive "${busybox} yes it is loud | ${busybox} head -c 3000000; echo done > $out" {
    name = "loud-1";
  };
  loudAndFailing = derive "${busybox} yes it is loud | ${busybox} head -c 3000000; exit 1" {
    name = "loud-2";
  };
  sleeping = derive "${busybox} sleep ${number}" { name = "sleeping-1"; };
  stubborn = derive "trap '' TERM HUP INT; ${busybox} sleep ${number} & ${busybox} sleep ${number}" {
    name = "stubborn-1";
  };
}
