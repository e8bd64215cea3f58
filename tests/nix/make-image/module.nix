{ image.name = "from-a-file"; }
