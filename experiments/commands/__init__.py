"""One module per sub-command of `boxseg`: its arguments and what it does; and the parser of all."""
