# The types of the members of an image configuration. A test compares the names with those that the program knows.
{ check, lib }:
let
  inherit (check)
    any
    bool
    int
    listOf
    membersInAnyCase
    set
    setOf
    text
    texts
    ;
  names =
    example: place: value:
    if builtins.isList value then
      check.refuse place "expected a set, as in ${example}, found a list"
    else
      set place value;

  arguments = listOf "a list of strings, as in [ \"/bin/app\" \"--verbose\" ]" text;

  healthcheck = {
    Test = texts;
    Interval = int;
    Timeout = int;
    StartPeriod = int;
    StartInterval = int;
    Retries = int;
  };

  # The members of `config`.
  ofConfig = {
    User = text;
    ExposedPorts = names "{ \"80/tcp\" = { }; }";
    Env = listOf "a list of strings, as in [ \"PORT=80\" ]" text;
    Entrypoint = arguments;
    Cmd = arguments;
    Volumes = names "{ \"/data\" = { }; }";
    WorkingDir = text;
    Labels = setOf text;
    StopSignal = text;
    ArgsEscaped = bool;
    Memory = int;
    MemorySwap = int;
    CpuShares = int;
    Healthcheck = membersInAnyCase healthcheck { };
    OnBuild = texts;
    Shell = texts;
    StopTimeout = int;
    Hostname = text;
    Domainname = text;
    AttachStdin = bool;
    AttachStdout = bool;
    AttachStderr = bool;
    Tty = bool;
    OpenStdin = bool;
    StdinOnce = bool;
    NetworkDisabled = bool;
    MacAddress = text;
    Image = text;
  };

  created =
    place: value:
    if value == "now" then
      check.refuse place "\"now\" would change the image with every build; omit it for 1970, or write a time"
    else
      time place value;
  time = check.matching "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt].*" "a time as RFC 3339 writes it, as in \"2026-01-31T12:00:00Z\"";

  config = membersInAnyCase ofConfig {
    args = "Cmd";
    command = "Cmd";
    environment = "Env";
    expose = "ExposedPorts";
    ports = "ExposedPorts";
    workdir = "WorkingDir";
  };

  # For members of `config` at another place.
  advice =
    path:
    builtins.listToAttrs (
      map (name: {
        name = lib.toLower name;
        value = "set ${path}.${name}";
      }) (builtins.attrNames ofConfig)
    );
in
{
  inherit advice config created;

  # The whole configuration.
  extraConfig = membersInAnyCase {
    inherit config created;
    author = text;
    architecture = text;
    os = text;
    "os.version" = text;
    "os.features" = texts;
    variant = text;
    rootfs = any;
    history = check.list;
  } (advice "config");
}
