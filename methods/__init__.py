"""Methods: what makes a character move. Imports charachbench, never the other way round."""
