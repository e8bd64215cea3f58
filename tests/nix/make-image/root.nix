# The files of Debian's daemons, and a page.
{ debian }:
[
  {
    source = builtins.path {
      name = "debian";
      path = debian;
    };
    destination = "/";
  }
  {
    destination = "/srv/www/index.html";
    text = "a page\n";
  }
]
