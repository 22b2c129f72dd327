"""QPG: the plans that a statement can get, and what is wrong with one."""
