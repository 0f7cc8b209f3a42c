"""From the words of a command line to the configuration of a run, and to the parts it names."""
