"""What a process shows of its progress on a terminal: bars below each other, lines above them."""
