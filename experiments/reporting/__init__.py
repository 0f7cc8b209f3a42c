"""What is made of runs: scores, tables, galleries, the page, and looks into modules at work."""
